"""Which stages a plan may consist of: segments of layers on a tensor-parallel group of one GPU type."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.problem import GpuType, Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel

TP_DEGREES = (1, 2, 4, 8)

# The program takes about a kilobyte for each.
_MOST_SEGMENTS = 1_000_000

SEGMENT = np.dtype(
    [
        ("type", np.int32),  # index into the pool
        ("tp", np.int32),
        ("group", np.int32),  # number of the TP group inside (type, tp)
        ("start", np.int32),  # first layer, counted from 1
        ("size", np.int32),
        ("first_gpu", np.int32),  # the group's GPUs are first_gpu .. first_gpu + tp - 1
        ("rate", np.float64),  # tokens/s
    ]
)
Segments = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the documented solver and a corrected one differ.

    `tp_divides_count`: a TP degree is used only if it divides the type's GPU count.
    `type_blind_gpu_ids`: GPUs are numbered from 0 in each type and compared without their type.
    `filter_slow_links`: connections below a percentile of link bandwidth are dropped, however fast.
    `ordered_groups`: inside a (type, TP) group i may be used only after group i - 1.
    `big_m_per_type`: an unused group caps the plan at three times a slow stage of its type.
    `one_layer_always_fits`: a single layer is placed even where memory cannot hold it.
    """

    name: str
    tp_divides_count: bool
    type_blind_gpu_ids: bool
    filter_slow_links: bool
    ordered_groups: bool
    big_m_per_type: bool
    one_layer_always_fits: bool


DOCUMENTED = Rules("documented", True, True, True, True, True, True)
CORRECTED = Rules("corrected", False, False, False, False, False, False)


def fine_sizes(layers: int) -> tuple[int, ...]:
    """The 14 sizes (for 40 layers): powers of two, multiples of five, and all layers at once."""
    powers = (2**k for k in range(layers.bit_length()) if 2**k <= layers)
    return tuple(sorted({*powers, *range(5, layers, 5), layers}))


def coarse_sizes(layers: int) -> tuple[int, ...]:
    """The 6 sizes (for 40 layers); fewer for smaller models."""
    steps: tuple[int, ...] = (1, 10, 20, 30, 40)
    for limit, candidate in ((10, (1, 5)), (30, (1, 5, 10, 15, 20)), (40, (1, 5, 10, 20, 30))):
        if layers <= limit:
            steps = candidate
            break
    return tuple(sorted({*(size for size in steps if size < layers), layers}))


def all_sizes(layers: int) -> tuple[int, ...]:
    """Every size, without quantization."""
    return tuple(range(1, layers + 1))


def default_sizes(problem: Problem, rules: Rules) -> tuple[int, ...]:
    """The config's own sizes; else every size, or the coarse ones under the documented rules.

    The latter only while `enable_segment_quantization` is on.
    """
    coarse = rules == DOCUMENTED and problem.config.enable_segment_quantization
    return problem.config.segment_sizes or (coarse_sizes if coarse else all_sizes)(problem.layers)


def tp_degrees(gpu: GpuType, rules: Rules) -> tuple[int, ...]:
    """Tensor-parallel degrees that this type's GPUs can form."""
    return tuple(
        tp for tp in TP_DEGREES if tp <= gpu.count and not (rules.tp_divides_count and gpu.count % tp)
    )


def stage_sizes(
    problem: Problem,
    gpu: GpuType,
    tp: int,
    sizes: Iterable[int],
    rules: Rules,
    rates: RateModel = DOCUMENTED_RATES,
) -> tuple[int, ...]:
    """The sizes that a stage on `tp` GPUs of this type may have: memory and the floors allow them."""
    fewest, most = rates.layer_range(problem.config, gpu, tp)
    if rules.one_layer_always_fits:
        most = max(most, 1)
    fewest = max(fewest, problem.config.min_layers_per_stage)
    return tuple(sorted({size for size in sizes if fewest <= size <= most}))


def documented_big_m(problem: Problem, index: int, sizes: Iterable[int], rates: RateModel) -> float:
    """How far an unused group of this type lets the documented program's throughput rise, in tokens/s.

    3 x the rate of the type's largest TP at the largest of all stages' `sizes` that fits it, else at the
    largest of all. The largest TP is the one that the count reaches, even where no stage has it; TPs and
    sizes without any rate do not count. Infinite for a type that has none.
    """
    gpu = problem.pool[index]
    for tp in (tp for tp in reversed(TP_DEGREES) if tp <= gpu.count):
        fewest, most = rates.layer_range(problem.config, gpu, tp)
        rate = rates.tokens_per_s(problem.config, gpu, tp)
        known = [size for size in sorted(sizes) if rate[size] > 0]
        if known:
            fitting = [size for size in known if fewest <= size <= most]
            return 3 * float(rate[(fitting or known)[-1]])
    return math.inf


def enumerate_segments(
    problem: Problem, sizes: Iterable[int], rules: Rules, rates: RateModel = DOCUMENTED_RATES
) -> Segments:
    """Every segment: (type, TP group, first layer, size), as an array of dtype `SEGMENT`.

    Ordered by type, TP, group, size, start. HarnessError for a size outside 1..layers, and where there are
    too many segments to list.
    """
    chosen = tuple(sizes)
    wrong = [size for size in chosen if not 1 <= size <= problem.layers]
    if wrong:
        raise HarnessError(
            f"segment size {wrong[0]} is impossible",
            where="segment sizes",
            allowed=f"1 to {problem.layers} layers",
        )
    classes = [
        (index, tp, stage_sizes(problem, gpu, tp, chosen, rules, rates))
        for index, gpu in enumerate(problem.pool)
        for tp in tp_degrees(gpu, rules)
    ]
    _refuse_too_many(problem, classes)
    parts = [_class_segments(problem, index, tp, own, rates) for index, tp, own in classes]
    return np.concatenate([np.empty(0, SEGMENT), *parts])


def _refuse_too_many(problem: Problem, classes: Iterable[tuple[int, int, tuple[int, ...]]]) -> None:
    count = sum(
        problem.pool[index].count // tp * sum(problem.layers - size + 1 for size in sizes)
        for index, tp, sizes in classes
    )
    if count > _MOST_SEGMENTS:
        raise HarnessError(
            f"the documented method would need {count:,} segments",
            where="gpu_pool.csv",
            allowed=f"up to {_MOST_SEGMENTS:,}",
            next_step="take fewer sizes, or the exact method with corrected rules",
        )


def _class_segments(
    problem: Problem, index: int, tp: int, sizes: tuple[int, ...], model: RateModel
) -> Segments:
    """Segments of one (type, TP): the cross product of its groups with its (size, start) pairs."""
    gpu = problem.pool[index]
    groups = gpu.count // tp
    by_layers = model.tokens_per_s(problem.config, gpu, tp)
    sizes = tuple(size for size in sizes if by_layers[size] > 0)
    rates = by_layers[list(sizes)]
    counts = np.array([problem.layers - size + 1 for size in sizes], dtype=np.intp)
    per_group = int(counts.sum())
    part = np.empty((groups, per_group), SEGMENT)
    part["type"], part["tp"] = index, tp
    part["group"] = np.arange(groups)[:, None]
    part["first_gpu"] = problem.first_gpus[index] + tp * np.arange(groups)[:, None]
    part["size"] = np.repeat(np.array(sizes, dtype=np.int32), counts)
    part["rate"] = np.repeat(rates, counts)
    starts = [np.arange(1, count + 1, dtype=np.int32) for count in counts]
    part["start"] = np.concatenate([np.empty(0, np.int32), *starts])
    return part.reshape(-1)
