"""Fitting the efficiency constants to measured steps: robust least squares on log errors, deterministic."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.constants import (
    ClassConstants,
    Constants,
    EngineConstants,
    FamilyConstants,
    SharedConstants,
    family_name,
    power_class,
)
from harness.costmodel.load import decode_load
from harness.costmodel.measured import Measured
from harness.costmodel.steptime import (
    EAGER_ENGINE,
    LAYER_ENGINE,
    SERVING_ENGINE,
    Deployment,
    RooflineStepTime,
    gap_s,
    roofline_terms,
    soft_maximum,
)
from harness.errors import HarnessError

Floats = NDArray[np.float64]
Whole = NDArray[np.intp]

ASSUMED = SharedConstants(
    wave_loss=0.5,
    attention=0.6,
    all_reduce=1.0,
    all_reduce_latency_s={"nvlink": 10e-6, "pcie": 30e-6},
    kernel_s=4e-6,
    grouped_bandwidth=0.85,
    grouped_compute=0.85,
    separate_bandwidth=0.6,
    separate_bytes_per_weight=4.0,
    narrow_compute=0.85,
    host_speed={"Ampere": 1.0, "Hopper": 1.45},
)
"""What the data cannot tell; `SharedConstants` says what each is, `PROVENANCE` where it comes from."""

PROVENANCE = {
    "wave_loss": "theory: the last wave of a product is on average half full",
    "attention": "published: FlashAttention-2 reaches 50-73 % of an A100's peak (Dao 2023)",
    "all_reduce_latency_s": "assumed",
    "kernel_s": "assumed",
    "grouped_bandwidth": "assumed",
    "grouped_compute": "assumed",
    "separate_bandwidth": "assumed",
    "separate_bytes_per_weight": "counted: 16-bit weights are written and read once more",
    "narrow_compute": "assumed",
    "host_speed": "estimated from clocks and vendors' claims of work per clock, EPYC 7V12 to Xeon 8480C",
    "layer_context_tokens": "fitted, a property of the layer-time data alone",
    "errors": "on data left out of the fit: ranges (fitted), whole GPUs (family, fallback)",
}

# Where the fit starts and what a constant keeps that the data do not determine.
_PRIOR = {
    "bandwidth": 0.8,
    "compute unthrottled": 0.8,
    "compute slot_powered": 0.45,
    "all_reduce": 0.6,
    "passes": 4.0,
    "launch": 0.4e-3,
    "prefill_s": 20e-3,
    "sequence_s": 0.3e-3,
    "context": 1000.0,
}
# A stronger pull on bandwidth: a host-bound engine hides it, and no memory is far from 80 %.
_PRIOR_WEIGHTS = {"bandwidth": 0.1}
_PRIOR_WEIGHT = 0.02
_PARTS = ("bandwidth", "compute", "all_reduce")
_HIGHEST_EFFICIENCY = 0.95
_LOSS_SCALE = 0.05
_DIGITS = 4


def fit(steps: Sequence[Measured], provenance: Mapping[str, str] | None = None) -> Constants:
    """Constants that fit `steps`, each (GPU, phase) with the same weight; `errors` is left empty.

    An error inside the rounding of a measured time counts as none. Loss: soft L1 beyond 5 %. A weak pull
    towards published values decides what the data do not. Raises HarnessError without any step.
    """
    from scipy.optimize import least_squares  # half a second that validating does not need

    if not steps:
        raise HarnessError("there is no measured step to fit", next_step="give a table with at least one row")
    problem = _Problem(steps)
    start = np.log([_PRIOR.get(f"{kind} {key}") or _PRIOR[kind] for kind, key in problem.names])
    highest = [math.log(_HIGHEST_EFFICIENCY) if kind in _PARTS else np.inf for kind, _ in problem.names]
    pull = np.array([_PRIOR_WEIGHTS.get(kind, _PRIOR_WEIGHT) for kind, _ in problem.names])

    def residuals(x: Floats) -> Floats:
        return np.concatenate([problem.residuals(np.exp(x)), pull * (x - start)])

    found = least_squares(residuals, start, bounds=(-np.inf, highest), loss="soft_l1", f_scale=_LOSS_SCALE)
    values = [_rounded(value) for value in np.exp(found.x)]
    return problem.constants(dict(zip(problem.names, values, strict=True)), dict(provenance or {}))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True, slots=True)
class _Table:
    """Operators of all steps side by side: their terms at peak rates, and which step they belong to."""

    step: Whole
    repeats: Floats
    memory_s: Floats
    compute_s: Floats
    gap_s: Floats
    context_memory_s: Floats
    context_compute_s: Floats
    elementwise: NDArray[np.bool_]
    link: NDArray[np.bool_]


class _Problem:
    """Which constants the steps depend on, and what they predict; the same formulas as RooflineStepTime."""

    def __init__(self, steps: Sequence[Measured]) -> None:
        self.steps = steps
        self.table = _table(steps)
        self.names: list[tuple[str, str]] = []
        self._family = self._index("bandwidth", [family_name(step.device) for step in steps])
        self._class = self._index("compute", [power_class(step.device) for step in steps])
        self._eager = np.array([step.layout == "request" for step in steps])
        architectures = [step.device.architecture if step.layout == "request" else "" for step in steps]
        self._launch = self._index("launch", architectures)
        unstated = ["" if step.context_stated else step.device.name for step in steps]
        self._context = self._index("context", unstated)
        self._shared = {}
        for name in ("all_reduce", "passes", "prefill_s", "sequence_s"):
            self._shared[name] = len(self.names)
            self.names.append((name, ""))
        self._sequences = np.array([step.load.decode_sequences for step in steps], dtype=float)
        self._prompts = np.array([step.load.prefill_tokens > 0 for step in steps], dtype=float)
        self._layers = np.array([step.shape.layers for step in steps], dtype=float)
        seconds = np.array([step.seconds for step in steps])
        half = np.array([step.half_s for step in steps])
        self._low, self._high = np.maximum(seconds - half, 1e-9), seconds + half
        groups = Counter((step.gpu, step.phase) for step in steps)
        self._weight = np.array([groups[step.gpu, step.phase] ** -0.5 for step in steps])

    def _index(self, kind: str, keys: Sequence[str]) -> Whole:
        """A constant per key; the place of each step's, -1 where the key is empty."""
        places = {}
        for key in sorted(set(keys) - {""}):
            places[key] = len(self.names)
            self.names.append((kind, key))
        return np.array([places.get(key, -1) for key in keys], dtype=np.intp)

    def _of(self, values: Floats, places: Whole) -> Floats:
        return np.where(places >= 0, values[places], 0.0)

    def predicted(self, values: Floats) -> Floats:
        """Time of each step in seconds for the constants `values`."""
        t = self.table
        context = self._of(values, self._context)[t.step]
        passes = np.where(self._eager, values[self._shared["passes"]], 1.0)[t.step]
        memory = t.memory_s + context * t.context_memory_s
        memory = np.where(t.elementwise, memory * passes, memory)
        memory /= np.where(t.link, values[self._shared["all_reduce"]], values[self._family][t.step])
        compute = (t.compute_s + context * t.context_compute_s) / values[self._class][t.step]
        device_s = np.bincount(
            t.step, t.repeats * (soft_maximum(memory, compute) + t.gap_s), minlength=len(self.steps)
        )
        total = soft_maximum(device_s, self._of(values, self._launch) * self._layers)
        added = values[self._shared["sequence_s"]] * self._sequences
        added += values[self._shared["prefill_s"]] * self._prompts
        return np.asarray(total + np.where(self._eager, added, 0.0))

    def residuals(self, values: Floats) -> Floats:
        """Weighted log errors beyond the rounding of each measured time."""
        modelled = self.predicted(values)
        above = np.log(np.maximum(modelled / self._high, 1.0))
        below = np.log(np.minimum(modelled / self._low, 1.0))
        return np.asarray((above + below) * self._weight)

    def constants(self, values: Mapping[tuple[str, str], float], provenance: Mapping[str, str]) -> Constants:
        """The set that the values make."""
        eager = EngineConstants(
            name=EAGER_ENGINE,
            passes=values["passes", ""],
            launches=True,
            step_s=0.0,
            prefill_s=values["prefill_s", ""],
            sequence_s=values["sequence_s", ""],
            provenance="fitted on request times" if self._eager.any() else "published values, not fitted",
        )
        return Constants(
            families=self._families(values),
            classes=self._classes(values),
            shared=replace(ASSUMED, all_reduce=values["all_reduce", ""]),
            engines={engine.name: engine for engine in (eager, _KERNELS, _GRAPHS)},
            layer_context_tokens={key: value for (kind, key), value in values.items() if kind == "context"},
            errors={},
            provenance={**PROVENANCE, **provenance},
        )

    def _families(self, values: Mapping[tuple[str, str], float]) -> dict[str, FamilyConstants]:
        found = {}
        for name in sorted({family_name(step.device) for step in self.steps}):
            cards = {s.device.name: s.device for s in self.steps if family_name(s.device) == name}
            card = next(iter(cards.values()))
            found[name] = FamilyConstants(
                architecture=card.architecture,
                stacked_memory=card.stacked_memory,
                bandwidth=values["bandwidth", name],
                launch_s=values.get(("launch", card.architecture), 0.0),
                fitted_on=tuple(sorted(cards)),
            )
        return found

    def _classes(self, values: Mapping[tuple[str, str], float]) -> dict[str, ClassConstants]:
        found = {}
        for name in sorted({key for kind, key in values if kind == "compute"}):
            cards = {s.device.name: s.device for s in self.steps if power_class(s.device) == name}
            value = values["compute", name]
            watts = {
                card.architecture: _rounded(value * card.rate("fp16")[1] / card.power_limit_w)
                for card in cards.values()
                if card.slot_powered
            }
            found[name] = ClassConstants(value, watts, tuple(sorted(cards)))
        return found


_KERNELS = EngineConstants(LAYER_ENGINE, 1.0, False, 0.0, 0.0, 0.0, "counted: fused kernels, no host")
_GRAPHS = EngineConstants(
    SERVING_ENGINE, 1.0, False, 1e-3, 1e-3, 10e-6, "assumed, not measured: fused kernels, replayed graphs"
)
_UNIT = Constants(
    families={"peak": FamilyConstants("", False, 1.0, 0.0, ())},
    classes={"unthrottled": ClassConstants(1.0, {}, ()), "slot_powered": ClassConstants(1.0, {}, ())},
    shared=ASSUMED,
    engines={LAYER_ENGINE: _KERNELS},
    layer_context_tokens={},
    errors={},
    provenance={},
)


def _table(steps: Sequence[Measured]) -> _Table:
    columns: list[tuple[float, ...]] = []
    for index, step in enumerate(steps):
        by_layer = step.layout == "layer"
        deployment = Deployment(
            step.shape, step.precision, step.device, step.tensor_parallel, head=not by_layer
        )
        model = RooflineStepTime(deployment, engine=LAYER_ENGINE, constants=_UNIT)
        one, more = (0.0, 0.0), (0.0, 0.0)
        if not step.context_stated:
            # The terms are linear in the context: this is one token of it for every sequence.
            longer = model.operators(decode_load(step.position, step.position))[-1]
            shorter = model.operators(decode_load(step.position, 0))[-1]
            more, one = roofline_terms(longer, model.rates), roofline_terms(shorter, model.rates)
        for operator in model.operators(step.load):
            memory_s, compute_s = roofline_terms(operator, model.rates)
            grows = float(operator.name == "decode attention")
            repeats = operator.repeats / step.shape.layers if by_layer else float(operator.repeats)
            columns.append(
                (
                    index, repeats, memory_s, compute_s, gap_s(operator, model.rates),
                    grows * (more[0] - one[0]), grows * (more[1] - one[1]),
                    operator.kind == "elementwise", operator.kind == "all_reduce",
                )
            )  # fmt: skip
    step_of, repeats, memory_s, compute_s, gaps_s, context_memory_s, context_compute_s, kinds, links = (
        np.array(columns, dtype=float).T
    )
    return _Table(
        step=step_of.astype(np.intp),
        repeats=repeats,
        memory_s=memory_s,
        compute_s=compute_s,
        gap_s=gaps_s,
        context_memory_s=context_memory_s,
        context_compute_s=context_compute_s,
        elementwise=kinds.astype(bool),
        link=links.astype(bool),
    )
