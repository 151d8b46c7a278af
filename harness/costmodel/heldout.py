"""Errors on measured steps that a fit has not seen: ranges of batches or prompts, and whole GPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from harness.costmodel.constants import Basis, Constants, family_name
from harness.costmodel.fitting import fit
from harness.costmodel.measured import Measured, read_measured
from harness.costmodel.validation import Configuration, configurations, error_frame
from harness.hardware.rows import Row

Fit = Callable[[Sequence[Measured]], Constants]
RANGES = 4
"""Contiguous ranges of batched tokens (or of batch sizes and prompts) that each GPU and phase is cut into."""


@dataclass(frozen=True, slots=True)
class Splits:
    """`error_frame`s of the fitted data themselves, of ranges left out and of GPUs left out in turn.

    `families` leaves out every GPU of a family at once, where that leaves any other.
    """

    fitted: pd.DataFrame
    ranges: pd.DataFrame
    gpus: pd.DataFrame
    families: pd.DataFrame


def fit_all(layer_times: Path, request_times: Path, rows: Mapping[str, Row]) -> Constants:
    """The constants that come with the harness, from the two tables they are fitted on.

    Includes the expected errors, from `splits`. Equal input gives equal text (`constants_text`).
    """
    found = [one for path in (layer_times, request_times) for one in measured_configurations(path, rows)]
    data = {"data": f"{layer_times.name}, {request_times.name}: published measurements of Llama-2-70B, fp16"}
    fitted = fit([one.step for one in found], data)
    return replace(fitted, errors=expected_errors(splits(found)))


def measured_configurations(path: Path, rows: Mapping[str, Row]) -> list[Configuration]:
    """Every configuration in a file once, with the median of its repeats."""
    return configurations(read_measured(path, rows).steps)


def splits(found: Sequence[Configuration], fit: Fit = fit) -> Splits:
    """All four error tables; one fit for the first, one per part for the others."""
    everything = error_frame(found, fit([one.step for one in found]))
    return Splits(
        fitted=everything,
        ranges=left_out(found, [str(part) for part in range_of(found)], fit),
        gpus=left_out(found, [one.step.device.name for one in found], fit),
        families=left_out(found, [family_name(one.step.device) for one in found], fit),
    )


def left_out(found: Sequence[Configuration], parts: Sequence[str], fit: Fit = fit) -> pd.DataFrame:
    """Errors on each part from constants fitted to all others; nothing where there is no other part."""
    frames = []
    names = sorted(set(parts))
    for name in names if len(names) > 1 else ():
        kept = [one.step for one, part in zip(found, parts, strict=True) if part != name]
        held = [one for one, part in zip(found, parts, strict=True) if part == name]
        frames.append(error_frame(held, fit(kept)).assign(left_out=name))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def range_of(found: Sequence[Configuration]) -> list[int]:
    """Which of `RANGES` contiguous ranges each configuration is in, per GPU and phase.

    Ranges are of batched tokens by layer; by request of (batch size, prompt tokens) in this order, so
    that one leaves out large batches, another long prompts.
    """
    groups: dict[tuple[str, str, str], set[tuple[int, int]]] = {}
    for one in found:
        groups.setdefault(_range_group(one.step), set()).add(_range_key(one.step))
    ordered = {group: sorted(keys) for group, keys in groups.items()}
    parts = []
    for one in found:
        keys = ordered[_range_group(one.step)]
        parts.append(keys.index(_range_key(one.step)) * RANGES // len(keys))
    return parts


def _range_group(step: Measured) -> tuple[str, str, str]:
    return step.layout, step.gpu, step.phase


def _range_key(step: Measured) -> tuple[int, int]:
    if step.layout == "layer":
        return step.position, 0
    return step.load.sequences, step.position // step.load.sequences


def expected_errors(tables: Splits) -> dict[Basis, tuple[float, float]]:
    """(median, p90) to expect of fitted GPUs, from ranges left out, and of all others, from GPUs left out."""
    other = _pair(pd.concat([tables.gpus, tables.families]))
    return {"fitted": _pair(tables.ranges), "family": other, "fallback": other}


def _pair(frame: pd.DataFrame) -> tuple[float, float]:
    error = frame["error"].to_numpy(dtype=float)
    return round(float(np.median(error)), 4), round(float(np.quantile(error, 0.9)), 4)
