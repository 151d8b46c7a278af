"""Documented throughput and memory model of one pipeline stage (fixtures/placement/README.md, "Model")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.problem import Config, Floats, GpuSpec, GpuType, Problem

GIB = 2**30


@dataclass(frozen=True, slots=True)
class RateModel:
    """How fast a stage is and what it may hold, per (config, GPU type, tensor-parallel degree).

    `layer_range` gives the fewest and most layers that memory allows, (1, 0) when none fits.
    `tokens_per_s` and `prefill_s` (seconds that one prompt of `sequence_length` tokens spends in the
    stage) are per number of layers, shape (layers + 1,); 0 tokens/s where a stage cannot be.
    """

    name: str
    layer_range: Callable[[Config, GpuType, int], tuple[int, int]]
    tokens_per_s: Callable[[Config, GpuType, int], Floats]
    prefill_s: Callable[[Config, GpuType, int], Floats]


GPU_SPECS: dict[str, GpuSpec] = {
    "H100": GpuSpec(989, 3350, 0.65),
    "A100": GpuSpec(312, 2039, 0.60),
    "L40S": GpuSpec(362, 864, 0.55),
    "A40": GpuSpec(150, 696, 0.55),
    "L40": GpuSpec(181, 864, 0.50),
    "V100": GpuSpec(125, 900, 0.55),
    "RTX4090": GpuSpec(165, 1008, 0.50),
    "L20": GpuSpec(119, 480, 0.50),
    "A10": GpuSpec(125, 600, 0.45),
    "T4": GpuSpec(65, 320, 0.40),
}

_TP_EFFICIENCY = {1: 1.0, 2: 0.9, 4: 0.8}
_LARGE_TP_EFFICIENCY = 0.7
_ACTIVATION_OVERHEAD = 1.15


def tp_efficiency(tp: int) -> float:
    """Fraction of linear speed-up that `tp` GPUs reach together."""
    return _TP_EFFICIENCY.get(tp, _LARGE_TP_EFFICIENCY)


def spec_of(gpu: GpuType) -> GpuSpec:
    """The type's own figures, else those of the table."""
    return gpu.spec or GPU_SPECS[gpu.name]


def stage_rates(config: Config, gpu: GpuType, tp: int) -> Floats:
    """Tokens/s of a stage on `tp` GPUs of this type, prefill only; 0 for no layers; shape (layers + 1,).

    A roofline: B*S / max(compute time, memory time) * tp * tp_efficiency, with
    n*(8BSD^2 + 4BS^2D + 16BSD^2) operations and 12nD^2 + BSD elements moved.
    """
    spec, layers = spec_of(gpu), np.arange(1.0, config.num_decoder_layers + 1)
    tokens, d = config.batch_size * config.sequence_length, config.d_model
    operations = layers * tokens * (24.0 * d * d + 4.0 * config.sequence_length * d)
    compute_s = operations / (spec.tflops * 1e12 * spec.efficiency)
    moved_bytes = (12.0 * layers * d * d + tokens * d) * config.bytes_per_element
    memory_s = moved_bytes / (spec.memory_gb_per_s * 1e9)
    return np.append(0.0, tokens / np.maximum(compute_s, memory_s) * tp * tp_efficiency(tp))


def stage_prefill_s(config: Config, gpu: GpuType, tp: int) -> Floats:
    """Seconds that one prompt spends in a stage: its share of a batch, since compute time is linear."""
    with np.errstate(divide="ignore"):
        return config.sequence_length / stage_rates(config, gpu, tp)


def activation_gb(config: Config, tp: int) -> float:
    """Activations and one layer's KV cache per GPU: 1.15 * (max(7u/tp, u) + 2u/tp), u = B*S*D*b / 2^30."""
    unit = config.batch_size * config.sequence_length * config.d_model * config.bytes_per_element / GIB
    return _ACTIVATION_OVERHEAD * (max(7 * unit / tp, unit) + 2 * unit / tp)


def stage_memory_gb(config: Config, tp: int) -> Floats:
    """Memory per GPU of a stage: its share of the weights, and the activations; shape (layers,), from 1."""
    layers = np.arange(1.0, config.num_decoder_layers + 1)
    return layers * config.layer_weight_memory_gb / tp + activation_gb(config, tp)


def layer_range(config: Config, gpu: GpuType, tp: int) -> tuple[int, int]:
    """Fewest and most layers a stage on `tp` GPUs of this type may hold; (1, 0) when none fits."""
    return filling_layers(config, gpu, stage_memory_gb(config, tp))


def filling_layers(config: Config, gpu: GpuType, memory_gb: Floats) -> tuple[int, int]:
    """Fewest and most layers of a stage that takes `memory_gb` (ascending, shape (layers,)) per GPU.

    The most is what memory holds, none being (1, 0). The fewest fills `min_memory_utilization` of it;
    where not even the whole model does, the stage must take the whole model.
    """
    most = int(np.searchsorted(memory_gb, gpu.memory_gb, side="right"))
    fewest = int(np.searchsorted(memory_gb, gpu.memory_gb * config.min_memory_utilization)) + 1
    return (min(fewest, len(memory_gb)), most) if most else (1, 0)


DOCUMENTED_RATES = RateModel("documented", layer_range, stage_rates, stage_prefill_s)


def link_rate(config: Config, gb_per_s: float) -> float:
    """Tokens/s that a link of `gb_per_s` carries: one hidden state of D elements per token."""
    return gb_per_s * GIB / (config.d_model * config.bytes_per_element)


def stage_link_rate(problem: Problem, groups: Sequence[Sequence[int]]) -> Floats:
    """Tokens/s from each group of GPUs (numbers, the master first) to each other, shape (groups, groups).

    `link_rate` of the least of three bandwidths: between the masters, and inside either group its
    slowest link times (tp - 1) / tp; a single GPU has no links inside.
    """
    matrix = problem.bandwidth_gb_per_s
    if len(matrix) != problem.gpus:
        firsts = np.array(problem.first_gpus)
        places = [np.searchsorted(firsts, np.array(group), side="right") - 1 for group in groups]
    else:
        places = [np.array(group) for group in groups]
    masters = np.array([place[0] for place in places], dtype=np.intp)
    inside = np.array([_inside_gb_per_s(matrix, place) for place in places])
    slowest = np.minimum(matrix[np.ix_(masters, masters)], np.minimum(inside[:, None], inside[None, :]))
    carried: Floats = slowest * link_rate(problem.config, 1.0)
    return carried


def _inside_gb_per_s(matrix: Floats, place: NDArray[np.intp]) -> float:
    tp = len(place)
    pairs = matrix[np.ix_(place, place)][~np.eye(tp, dtype=np.bool_)]
    return float(np.min(pairs, initial=np.inf)) * (tp - 1) / tp if tp > 1 else np.inf


def links_may_bind(problem: Problem, fastest_tokens_per_s: float) -> bool:
    """Whether some link could limit a stage of this rate."""
    # A group's own links are charged (tp - 1) / tp of their bandwidth, so half at the least.
    slowest = float(problem.type_bandwidth()[0].min())
    return link_rate(problem.config, slowest / 2) < fastest_tokens_per_s


def require_fast_links(problem: Problem, fastest_tokens_per_s: float) -> None:
    """HarnessError when some link could limit a stage: for models that leave the links out."""
    slowest = float(problem.type_bandwidth()[0].min())
    carried = link_rate(problem.config, slowest / 2)
    if links_may_bind(problem, fastest_tokens_per_s):
        raise HarnessError(
            f"the slowest link has {slowest:g} GB/s and may limit the fastest stage",
            where="network_bandwidth.csv",
            allowed=f"at least {slowest * fastest_tokens_per_s / carried:.3g} GB/s for a model without links",
        )
