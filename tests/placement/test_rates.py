from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.placement.problem import GpuSpec, GpuType, Problem
from harness.placement.rates import (
    activation_gb,
    layer_range,
    link_rate,
    require_fast_links,
    stage_link_rate,
    stage_memory_gb,
    stage_prefill_s,
    stage_rates,
    tp_efficiency,
)


def test_rate_of_a_stage(medium: Problem) -> None:
    # 1.74483e9 operations per token and layer; 312 TFLOPS at 60 %, 4 GPUs at 80 %.
    by_hand = 312e12 * 0.6 * 4 * 0.8 / (40 * 1.744830464e9)
    rate = stage_rates(medium.config, medium.pool[0], 4)[40]
    assert rate == pytest.approx(8583.07, abs=0.005)
    assert rate == pytest.approx(by_hand, rel=1e-9)


def test_rate_is_memory_bound_for_one_short_request(medium: Problem) -> None:
    config = replace(medium.config, batch_size=1, sequence_length=1)
    moved = (12 * 8192**2 * 40 + 8192) * 2
    assert stage_rates(config, medium.pool[4], 1)[40] == pytest.approx(320e9 / moved)


def test_a_type_may_have_figures_of_its_own(medium: Problem) -> None:
    t4 = medium.pool[4]
    faster = replace(t4, name="T4 of tomorrow", spec=GpuSpec(130, 640, 0.4))
    assert np.array_equal(stage_rates(medium.config, faster, 2), 2 * stage_rates(medium.config, t4, 2))


def test_a_table_holds_the_rate_of_each_size(medium: Problem) -> None:
    config, gpu = medium.config, medium.pool[3]
    rates, prefill = stage_rates(config, gpu, 4), stage_prefill_s(config, gpu, 4)
    assert rates[0] == 0
    assert rates[1:] == pytest.approx(rates[1] / np.arange(1, 41))
    assert prefill[7] == 4096 / rates[7]
    assert np.isinf(prefill[0])


def test_tp_efficiency_falls() -> None:
    assert [tp_efficiency(tp) for tp in (1, 2, 4, 8, 16)] == [1.0, 0.9, 0.8, 0.7, 0.7]


def test_activations(medium: Problem) -> None:
    assert [activation_gb(medium.config, tp) for tp in (1, 2, 4, 8)] == pytest.approx(
        [20.7, 10.35, 5.175, 2.875]
    )


@pytest.mark.parametrize(
    ("gpu", "ranges"),
    [
        ("A100", [(1, 7), (8, 21), (22, 40), (40, 40)]),
        ("L20", [(1, 7), (8, 21), (22, 40), (40, 40)]),
        ("A10", [(1, 7), (8, 21), (22, 40), (40, 40)]),
        ("V100", [(1, 0), (1, 7), (8, 21), (21, 40)]),
        ("T4", [(1, 0), (1, 3), (4, 12), (12, 30)]),
    ],
)
def test_layer_ranges_of_the_medium_pool(medium: Problem, gpu: str, ranges: list[tuple[int, int]]) -> None:
    own = next(kind for kind in medium.pool if kind.name == gpu)
    assert [layer_range(medium.config, own, tp) for tp in (1, 2, 4, 8)] == ranges


def test_largest_stage_fits_and_one_more_layer_does_not(medium: Problem) -> None:
    gpu = GpuType("A100", 8, 48, 1.0)
    most = layer_range(medium.config, gpu, 2)[1]
    assert stage_memory_gb(medium.config, 2)[most - 1] <= 48 < stage_memory_gb(medium.config, 2)[most]


def test_links(medium: Problem) -> None:
    assert link_rate(medium.config, 600) == pytest.approx(600 * 2**30 / 16384)
    require_fast_links(medium, 25_000)
    slow = replace(medium, bandwidth_gb_per_s=np.full((64, 64), 0.5))
    with pytest.raises(HarnessError, match=r"0\.5 GB/s.*at least 0\.763 GB/s"):
        require_fast_links(slow, 25_000)


def test_a_link_is_as_slow_as_its_slowest_part(medium: Problem) -> None:
    """min(inside the source * (tp - 1) / tp, between the masters, inside the target * (tp - 1) / tp)."""
    links = np.full((64, 64), 600.0)
    links[0, 1] = 100.0  # inside group (0, 1, 2, 3)
    links[0, 32] = 60.0  # between the masters, this way only
    problem = replace(medium, bandwidth_gb_per_s=links)
    rates = stage_link_rate(problem, [(0, 1, 2, 3), (32, 33), (40,)])
    gb_per_s = rates / link_rate(medium.config, 1.0)
    assert gb_per_s == pytest.approx(np.array([[75, 60, 75], [75, 300, 300], [75, 300, 600]]))


def test_links_of_a_matrix_per_type(medium: Problem) -> None:
    """The same links, given per type, carry the same."""
    per_type = np.arange(1.0, 26.0).reshape(5, 5)
    typed = replace(medium, bandwidth_gb_per_s=per_type)
    spread = replace(medium, bandwidth_gb_per_s=typed.gpu_bandwidth())
    groups = [(0, 1), (8,), (32, 33, 34, 35), (44, 45), (63,)]
    assert np.array_equal(stage_link_rate(typed, groups), stage_link_rate(spread, groups))
