"""How far modelled step times are from measured ones: absolute percentage errors, per GPU and phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.costmodel.constants import Constants, load_constants
from harness.costmodel.measured import Measured, Table, read_measured
from harness.costmodel.steptime import EAGER_ENGINE, LAYER_ENGINE, Deployment, RooflineStepTime
from harness.hardware.rows import Row


@dataclass(frozen=True, slots=True)
class Errors:
    """Median and 90th percentile of |modelled / measured - 1| over `configurations`, as fractions.

    `rows` counts the file's lines they come from: one line of a table by request has two phases.
    `within_rounding` is the part of them whose modelled time rounds to the measured one.
    """

    rows: int
    configurations: int
    median: float
    p90: float
    within_rounding: float

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "median_absolute_percentage_error": self.median,
            "p90_absolute_percentage_error": self.p90,
            "rows": self.rows,
            "configurations": self.configurations,
            "within_rounding_ratio": self.within_rounding,
        }


@dataclass(frozen=True, slots=True)
class Validation:
    """One file against one set of constants.

    `frame` has one line per configuration (repeats: their median): gpu, phase, model, precision,
    tensor_parallel, tokens, lines, measured_s, modelled_s, error, rounds_alike, basis.
    """

    path: str
    version: str
    overall: Errors
    frame: pd.DataFrame
    rows: int
    left_out: Mapping[int, str]

    def per(self, *columns: str) -> dict[tuple[str, ...], Errors]:
        """Errors of each group of configurations that agree in `columns`, in sorted order."""
        groups = self.frame.groupby(list(columns), sort=True)
        return {tuple(map(str, key)): errors_of(part) for key, part in groups}

    def document(self) -> dict[str, Any]:
        """The JSON of `harness predict validate`: overall, per GPU, per phase and per both; provenance."""
        both: dict[str, dict[str, Any]] = {}
        for (gpu, phase), errors in self.per("gpu", "phase").items():
            both.setdefault(gpu, {})[phase] = errors.document()
        per_gpu = {gpu: errors.document() for (gpu,), errors in self.per("gpu").items()}
        for gpu, phases in both.items():
            per_gpu[gpu]["per_phase"] = phases
        basis = self.frame.drop_duplicates("gpu").set_index("gpu")["basis"]
        for gpu in per_gpu:
            per_gpu[gpu]["basis"] = str(basis[gpu])
        return {
            "file": self.path,
            "constants": self.version,
            "provenance": {"modelled": self.version, "measured": self.path},
            **self.overall.document(),
            "rows": self.rows,
            "per_gpu": per_gpu,
            "per_phase": {phase: errors.document() for (phase,), errors in self.per("phase").items()},
            "left_out": {str(line): reason for line, reason in self.left_out.items()},
        }


def validate(path: Path, rows: Mapping[str, Row], constants: Constants | None = None) -> Validation:
    """The measured steps in the CSV at `path` against modelled ones; `rows` of the hardware matrix.

    Raises HarnessError (exit 4) for the first mistake in the file.
    """
    chosen = load_constants() if constants is None else constants
    return validate_table(read_measured(path, rows), chosen, str(path))


def validate_table(table: Table, constants: Constants, path: str = "") -> Validation:
    """As `validate`, of a table that was read."""
    frame = error_frame(configurations(table.steps), constants)
    return Validation(path, constants.version, errors_of(frame), frame, table.rows, table.left_out)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Repeats of one measurement, on these lines of the file: the median stands for them."""

    step: Measured
    lines: tuple[int, ...]


def configurations(steps: Iterable[Measured]) -> list[Configuration]:
    """Steps with equal configuration as one, with their median time, in the order of the file."""
    groups: dict[tuple[object, ...], list[Measured]] = {}
    for step in steps:
        # KV tokens of repeats differ by what each generated.
        key = (step.layout, step.gpu, step.phase, step.model, step.precision, step.tensor_parallel)
        groups.setdefault((*key, step.position, step.load.sequences, step.group), []).append(step)
    return [
        Configuration(
            step=replace(repeats[0], seconds=float(np.median([one.seconds for one in repeats]))),
            lines=tuple(one.line for one in repeats),
        )
        for repeats in groups.values()
    ]


def predicted_seconds(steps: Sequence[Measured], constants: Constants) -> list[float]:
    """Modelled time of each step, in the engine that its table was measured with."""
    model = _Models(constants)
    return [model.seconds(step) for step in steps]


def error_frame(found: Sequence[Configuration], constants: Constants) -> pd.DataFrame:
    """One line per configuration, with `error` = |modelled / measured - 1|."""
    modelled = predicted_seconds([one.step for one in found], constants)
    lines = [
        {
            "gpu": one.step.gpu,
            "phase": one.step.phase,
            "model": one.step.model,
            "precision": one.step.precision.name,
            "tensor_parallel": one.step.tensor_parallel,
            "tokens": one.step.position,
            "lines": one.lines,
            "measured_s": one.step.seconds,
            "modelled_s": seconds,
            "error": abs(seconds / one.step.seconds - 1.0),
            "rounds_alike": abs(seconds - one.step.seconds) <= one.step.half_s,
            "basis": constants.gpu(one.step.device).basis,
        }
        for one, seconds in zip(found, modelled, strict=True)
    ]
    return pd.DataFrame(lines)


def errors_of(frame: pd.DataFrame) -> Errors:
    """Errors over the configurations of an `error_frame`."""
    error = frame["error"].to_numpy(dtype=float)
    return Errors(
        rows=len(set().union(*frame["lines"])),
        configurations=len(frame),
        median=float(np.median(error)),
        p90=float(np.quantile(error, 0.9)),
        within_rounding=float(frame["rounds_alike"].mean()),
    )


class _Models:
    """Step-time models of the deployments in a table, each made once."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._made: dict[tuple[object, ...], RooflineStepTime] = {}

    def seconds(self, step: Measured) -> float:
        by_layer = step.layout == "layer"
        key = (step.model, step.precision, step.device.name, step.tensor_parallel, by_layer)
        if key not in self._made:
            deployment = Deployment(
                step.shape, step.precision, step.device, step.tensor_parallel, head=not by_layer
            )
            engine = LAYER_ENGINE if by_layer else EAGER_ENGINE
            self._made[key] = RooflineStepTime(deployment, engine=engine, constants=self._constants)
        load = step.load
        if not step.context_stated:
            context = self._constants.unstated_context_tokens(step.device)
            load = replace(load, decode_context_tokens=round(step.position * context))
        seconds = self._made[key].seconds(load)
        return seconds / step.shape.layers if by_layer else seconds
