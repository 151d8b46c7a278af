from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.problem import Config, Floats, GpuType, Problem
from harness.placement.rates import DOCUMENTED_RATES, stage_rates
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    SEGMENT,
    all_sizes,
    coarse_sizes,
    documented_big_m,
    enumerate_segments,
    fine_sizes,
    stage_sizes,
    tp_degrees,
)


def test_the_published_sizes() -> None:
    assert fine_sizes(40) == (1, 2, 4, 5, 8, 10, 15, 16, 20, 25, 30, 32, 35, 40)
    assert coarse_sizes(40) == (1, 5, 10, 20, 30, 40)


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        (1, (1,)),
        (4, (1, 4)),
        (8, (1, 5, 8)),
        (20, (1, 5, 10, 15, 20)),
        (32, (1, 5, 10, 20, 30, 32)),
        (80, (1, 10, 20, 30, 40, 80)),
    ],
)
def test_coarse_sizes_of_other_models(layers: int, sizes: tuple[int, ...]) -> None:
    assert coarse_sizes(layers) == sizes


@given(st.integers(1, 200))
def test_sizes_are_ascending_and_end_with_the_whole_model(layers: int) -> None:
    for rule in (fine_sizes, coarse_sizes, all_sizes):
        sizes = rule(layers)
        assert list(sizes) == sorted(set(sizes))
        assert (sizes[0], sizes[-1]) == (1, layers)


def test_too_many_segments_are_refused_before_they_are_listed(medium: Problem) -> None:
    crowd = replace(medium, pool=tuple(replace(gpu, count=1_000_000) for gpu in medium.pool))
    with pytest.raises(HarnessError, match=r"would need [\d,]+ segments .* the exact method"):
        enumerate_segments(crowd, coarse_sizes(40), DOCUMENTED)


def test_the_documented_big_m_is_three_slow_stages(medium: Problem) -> None:
    """T4 reach TP 8, at which 30 of the coarse sizes' layers fit; of 20 sizes and more, 20."""
    t4 = medium.pool[4]
    for sizes, largest in (coarse_sizes(40), 30), ((20, 40), 20), ((40,), 40):
        big_m = documented_big_m(medium, 4, sizes, DOCUMENTED_RATES)
        assert big_m == 3 * stage_rates(medium.config, t4, 8)[largest]


def test_a_big_m_of_stages_without_a_rate(medium: Problem) -> None:
    """Where nothing was measured at TP 8 the largest TP with a rate counts, at a size with a rate."""

    def only_tp_2(config: Config, gpu: GpuType, tp: int) -> Floats:
        rate = DOCUMENTED_RATES.tokens_per_s(config, gpu, tp) * (tp == 2)
        rate[20:] = 0
        return rate

    some = replace(DOCUMENTED_RATES, tokens_per_s=only_tp_2)
    expected = 3 * stage_rates(medium.config, medium.pool[0], 2)[10]
    assert documented_big_m(medium, 0, coarse_sizes(40), some) == expected
    none = replace(DOCUMENTED_RATES, tokens_per_s=lambda config, *_: np.zeros(config.num_decoder_layers + 1))
    assert documented_big_m(medium, 0, coarse_sizes(40), none) == np.inf


@pytest.mark.parametrize(
    ("sizes", "divides", "default"),
    [(fine_sizes(40), 4797, 5040), (coarse_sizes(40), 2788, 2866), (all_sizes(40), 13860, 14832)],
)
def test_published_segment_counts(
    medium: Problem, sizes: tuple[int, ...], divides: int, default: int
) -> None:
    assert len(enumerate_segments(medium, sizes, DOCUMENTED)) == divides
    assert len(enumerate_segments(medium, sizes, replace(DOCUMENTED, tp_divides_count=False))) == default


def test_tp_that_divides_the_count() -> None:
    twelve = GpuType("L20", 12, 48, 0.7)
    assert tp_degrees(twelve, DOCUMENTED) == (1, 2, 4)
    assert tp_degrees(twelve, CORRECTED) == (1, 2, 4, 8)


def test_one_layer_always_fits_only_as_documented(medium: Problem) -> None:
    problem = replace(medium, config=replace(medium.config, min_layers_per_stage=1))
    t4 = problem.pool[4]
    assert stage_sizes(problem, t4, 1, all_sizes(40), DOCUMENTED) == (1,)
    assert stage_sizes(problem, t4, 1, all_sizes(40), CORRECTED) == ()


@pytest.mark.parametrize("size", [0, -1, 41])
def test_impossible_size(medium: Problem, size: int) -> None:
    with pytest.raises(HarnessError, match=rf"segment size {size} is impossible \(allowed: 1 to 40 layers\)"):
        enumerate_segments(medium, [5, size], DOCUMENTED)


def test_nothing_fits(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    segments = enumerate_segments(problem, all_sizes(4), CORRECTED)
    assert segments.dtype == SEGMENT
    assert len(segments) == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_segments_are_the_plain_nested_loops(
    small_problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem, rules = data.draw(small_problems), data.draw(st.sampled_from([DOCUMENTED, CORRECTED]))
    expected = [
        (index, tp, group, start, size, problem.first_gpus[index] + group * tp)
        for index, gpu in enumerate(problem.pool)
        for tp in tp_degrees(gpu, rules)
        for group in range(gpu.count // tp)
        for size in stage_sizes(problem, gpu, tp, all_sizes(problem.layers), rules)
        for start in range(1, problem.layers - size + 2)
    ]
    found = enumerate_segments(problem, all_sizes(problem.layers), rules)
    names = ["type", "tp", "group", "start", "size", "first_gpu"]
    assert [tuple(row) for row in found[names].tolist()] == expected
    assert np.all(found["rate"] > 0)
