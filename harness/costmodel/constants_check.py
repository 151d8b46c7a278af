"""Whether a set of constants holds figures that a step time can be computed with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.costmodel.constants import Constants

_BELOW_ZERO = math.nextafter(0.0, -1.0)
_PARTS = (
    "attention", "all_reduce", "grouped_bandwidth", "grouped_compute", "separate_bandwidth", "narrow_compute",
)  # fmt: skip
_AMOUNTS = ("wave_loss", "kernel_s", "separate_bytes_per_weight")
_ENGINE_AMOUNTS = ("passes", "step_s", "prefill_s", "sequence_s")


def check_figures(constants: Constants) -> None:
    """ValueError, KeyError or TypeError for a set without family or class, or with a figure out of range."""
    if not constants.families or not constants.classes:
        raise ValueError("there is no family or no class")
    for name, figure, above, most in _figures(constants):
        if not above < figure <= most or figure == math.inf:
            raise ValueError(f"{name} is {figure}")


def _figures(constants: Constants) -> Iterator[tuple[str, float, float, float]]:
    """(name, figure, what it is above, what it is at most) of every figure; parts of a peak are at most 1."""
    shared = constants.shared
    for key, family in constants.families.items():
        yield f"bandwidth of {key}", family.bandwidth, 0.0, 1.0
        yield f"launch_s of {key}", family.launch_s, _BELOW_ZERO, math.inf
    for key, group in constants.classes.items():
        yield f"compute of {key}", group.compute, 0.0, 1.0
        for architecture, figure in group.flops_per_watt.items():
            yield f"flops_per_watt of {architecture}", figure, 0.0, math.inf
    for name in _PARTS:
        yield name, getattr(shared, name), 0.0, 1.0
    for name in _AMOUNTS:
        yield name, getattr(shared, name), _BELOW_ZERO, math.inf
    for kind in ("nvlink", "pcie"):
        yield f"all_reduce_latency_s of {kind}", shared.all_reduce_latency_s[kind], _BELOW_ZERO, math.inf
    for architecture, figure in shared.host_speed.items():
        yield f"host_speed of {architecture}", figure, 0.0, math.inf
    for engine in constants.engines.values():
        for name in _ENGINE_AMOUNTS:
            yield f"{name} of {engine.name}", getattr(engine, name), _BELOW_ZERO, math.inf
    for gpu, figure in constants.layer_context_tokens.items():
        yield f"layer_context_tokens of {gpu}", figure, 0.0, math.inf
