from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from harness.placement.documented.budgets import (
    COARSE_FACTORS,
    COARSEST_FACTORS,
    FINE_FACTORS,
    budget_range,
    budgets_around,
    budgets_without_ballpark,
    within_config,
)
from harness.placement.problem import Problem


def with_config(problem: Problem, **changes: object) -> Problem:
    return replace(problem, config=replace(problem.config, **changes))  # type: ignore[arg-type]


def test_the_documented_range_is_sixtyfold(medium: Problem) -> None:
    """0.20 USD/h, though 0.8 of a T4 is 0.16, to 1.5 times eight A100."""
    low, high = budget_range(medium)
    assert (low, high) == (0.2, pytest.approx(12.0))
    assert high / low == pytest.approx(60)


def test_only_an_aggressive_target_narrows_the_range(medium: Problem) -> None:
    assert budget_range(with_config(medium, max_cost_per_token=0.0001)) == budget_range(medium)
    assert budget_range(with_config(medium, max_cost_per_token=0.00009)) == (0.2, pytest.approx(6.4))


def test_the_range_follows_prices_and_counts(medium: Problem) -> None:
    dear = replace(medium, pool=tuple(replace(gpu, usd_per_hour=3 * gpu.usd_per_hour) for gpu in medium.pool))
    assert budget_range(dear) == (pytest.approx(0.48), 20.0)
    few = replace(medium, pool=tuple(replace(gpu, count=min(gpu.count, 3)) for gpu in medium.pool))
    assert budget_range(few) == (0.2, pytest.approx(3.0))
    none = replace(medium, pool=tuple(replace(gpu, count=0) for gpu in medium.pool))
    assert budget_range(none) == (0.2, 20.0)


@pytest.mark.parametrize(
    ("factors", "budgets"),
    [
        pytest.param(COARSE_FACTORS, (0.2, 0.8, 1.4, 1.8, 2, 2.4, 3, 6, 12), id="coarse"),
        pytest.param(COARSEST_FACTORS, (0.2, 1, 2, 3, 6, 12), id="coarsest"),
        pytest.param(
            FINE_FACTORS, (0.2, 0.5, 0.8, 1.2, 1.5, 1.7, 1.9, 2, 2.2, 2.5, 3, 3.5, 4, 6, 12), id="fine"
        ),
    ],
)
def test_budgets_around_the_ballpark_of_medium(
    medium: Problem, factors: tuple[float, ...], budgets: tuple[float, ...]
) -> None:
    """9 with the coarse factors, as the reference tried; 15 with the fine ones, as the document says."""
    assert budgets_around(2.0, medium, factors) == pytest.approx(budgets)


def test_budgets_outside_the_range_and_equal_ones_are_left_out(medium: Problem) -> None:
    """From half of 0.20 to 1.5 times 12; 12 is there once."""
    assert budgets_around(0.12, medium, (0.8, 0.9, 100, 200)) == pytest.approx((0.108, 0.2, 6, 12))


def test_the_config_budget_stands_for_what_is_above_it(medium: Problem) -> None:
    problem = with_config(medium, max_hourly_cost=2.5)
    assert budgets_around(2.0, problem, COARSE_FACTORS) == pytest.approx((0.2, 0.8, 1.4, 1.8, 2, 2.4, 2.5))
    assert within_config(problem, (9, 1)) == (1, 2.5)


def test_without_a_ballpark_eight_budgets_span_the_range(medium: Problem) -> None:
    budgets = budgets_without_ballpark(medium)
    assert len(budgets) == 8
    assert (budgets[0], budgets[-1]) == (0.2, pytest.approx(12))
    ratios = [after / before for before, after in itertools.pairwise(budgets)]
    assert ratios == pytest.approx([60 ** (1 / 7)] * 7)
