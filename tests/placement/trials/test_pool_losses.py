from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.placement.exact.front import exact_front
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED, all_sizes, coarse_sizes, enumerate_segments
from harness.placement.stages import stage_table
from harness.placement.trials.pool_losses import (
    ELEVEN_SIZES,
    FOUR_SIZES,
    PoolCosts,
    costs_of_sizes,
    hundred_pools,
    loss_metrics,
    losses,
    quantile,
    share_over,
    up_to,
    worst,
)

COSTS = st.lists(st.sampled_from([0.5, 1.0, 1.04, 2.0, math.inf]), min_size=1, max_size=12)


def test_a_lost_plan_is_an_infinite_loss_and_a_pool_without_any_is_left_out() -> None:
    found = losses([1.0, 2.0, 1.0, math.inf, math.inf], [1.1, 2.0, math.inf, 3.0, math.inf])
    assert found.tolist() == pytest.approx([-1, 0, 0.1, math.inf])


@given(st.data())
def test_statistics_count_lost_pools_as_the_largest_losses(data: st.DataObject) -> None:
    chosen = data.draw(COSTS)
    found = losses([1.0] * len(chosen), chosen)
    by_hand = sorted(cost - 1 for cost in chosen)
    for share in (0.5, 0.9):
        value = quantile(found, share)
        assert sum(loss <= value for loss in by_hand) >= share * len(chosen)
        assert value in by_hand
    assert share_over(found) == pytest.approx(sum(loss > 0.05 for loss in by_hand) / len(chosen))
    assert worst(found) == max((loss for loss in by_hand if loss < math.inf), default=0)


def test_a_loss_of_exactly_the_limit_is_not_over_it() -> None:
    assert share_over(np.array([0.05, 1.05 / 1.0 - 1, 0.0501])) == pytest.approx(1 / 3)


def test_metrics_read_the_other_arm_or_the_optimum() -> None:
    metrics = {metric.name: metric for metric in loss_metrics()}
    reference = PoolCosts((2.0, 2.0, 2.0), (1.0, 1.0, 1.0))
    chosen = PoolCosts((2.0, 2.2, math.inf), (1.0, 1.0, 1.0))

    def read(name: str) -> float:
        compare = metrics[name].compare
        assert compare is not None
        found = compare(reference, chosen)
        assert isinstance(found, float)
        return found

    assert read("median_loss_to_baseline") == pytest.approx(0.1)
    assert read("median_loss_to_optimum") == pytest.approx(1.2)
    assert read("p90_loss_to_baseline") == math.inf
    assert read("worst_loss_to_baseline") == pytest.approx(0.1)
    assert read("dearer_share_to_baseline") == pytest.approx(2 / 3)
    assert read("dearer_share_to_optimum") == 1
    count = metrics["pools_without_plan"].value
    assert count is not None
    assert (count(reference), count(chosen)) == (0, 1)


def test_lists_of_sizes_for_other_models() -> None:
    assert up_to(ELEVEN_SIZES, 40) == ELEVEN_SIZES
    assert up_to(FOUR_SIZES, 40) == FOUR_SIZES
    assert up_to(FOUR_SIZES, 32) == (1, 10, 20, 32)
    assert up_to(FOUR_SIZES, 60) == (1, 10, 20, 40, 60)
    for layers in (48, 60, 80):
        assert up_to((1, 10, 20, 30, 40), layers) == coarse_sizes(layers)


def test_costs_are_those_of_the_front(medium: Problem, small: Problem) -> None:
    pools = (medium, small)
    found = costs_of_sizes(pools, coarse_sizes)
    for problem, cost, least in zip(pools, found.usd_per_million_tokens, found.least, strict=True):
        for sizes, expected in ((coarse_sizes(problem.layers), cost), (all_sizes(problem.layers), least)):
            point = exact_front(stage_table(problem, sizes=sizes)).cheapest_token()
            assert point is not None
            assert point.usd_per_million_tokens == pytest.approx(expected, rel=1e-12)
    assert found.segments == sum(
        len(enumerate_segments(problem, coarse_sizes(problem.layers), CORRECTED)) for problem in pools
    )
    assert found.without_plan == 0
    assert costs_of_sizes((medium,), lambda layers: (layers - 1,)).without_plan == 1


def test_the_family_is_kept() -> None:
    assert hundred_pools() is hundred_pools()
    assert len(hundred_pools()) == 100
