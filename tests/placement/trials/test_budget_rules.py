from __future__ import annotations

import math

import pytest

from harness.placement.documented.budgets import BLIND_BUDGETS, COARSE_FACTORS, COARSEST_FACTORS, FINE_FACTORS
from harness.placement.documented.enumeration import enumeration
from harness.placement.documented.methods import Search, weighted
from harness.placement.exact.front import FrontPoint
from harness.placement.problem import Problem
from harness.placement.segments import DOCUMENTED
from harness.placement.trials.budget_rules import (
    Tried,
    costs_of_budgets,
    costs_of_weight,
    front_of,
    try_around,
    try_blind,
    weighted_point,
)


def point(tokens_per_s: float, usd_per_hour: float) -> FrontPoint:
    return FrontPoint(tokens_per_s, usd_per_hour, ())


def test_a_solve_is_wasted_without_a_plan_or_without_a_cheaper_token() -> None:
    plans = (None, point(10, 1), point(10, 1), point(15, 2), point(40, 3), None)
    tried = Tried((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), plans)
    assert (tried.infeasible, tried.wasted) == (2, 4)
    assert tried.best == point(40, 3)
    assert Tried((), ()).best is None
    assert Tried((1.0,), (None,)).best is None


def test_budgets_on_medium_as_the_documented_program_solves_them(medium: Problem) -> None:
    tried = try_around(medium, COARSE_FACTORS)
    assert tried.budgets == pytest.approx((0.2, 0.8, 1.4, 1.8, 2, 2.4, 3, 6, 12))
    rates = [round(plan.tokens_per_s, 1) for plan in tried.plans if plan is not None]
    assert rates == [2901.4, 6304.3, 6304.3, 9536.7, 9536.7]
    assert (tried.infeasible, tried.wasted) == (4, 7)
    assert tried.best is not None
    assert tried.best.usd_per_million_tokens == pytest.approx(0.105747, abs=5e-7)
    assert len(try_around(medium, FINE_FACTORS).budgets) == 15
    blind = try_blind(medium)
    assert blind.budgets == BLIND_BUDGETS
    assert (blind.infeasible, blind.wasted) == (4, 6)


def test_the_weighted_optimum_on_medium(medium: Problem) -> None:
    for weight in (0.5, 0.95, 1.0):
        found = weighted_point(medium, weight)
        assert found is not None
        assert found.usd_per_hour == pytest.approx(2.0)
        assert found.usd_per_million_tokens == pytest.approx(0.191477, abs=5e-7)
    fastest = weighted_point(medium, 0.0)
    assert fastest == front_of(medium).points[-1]


@pytest.mark.parametrize("factors", [COARSE_FACTORS, COARSEST_FACTORS])
def test_the_front_answers_as_the_program_does(small: Problem, factors: tuple[float, ...]) -> None:
    found = enumeration(Search(small, DOCUMENTED, gap=0.0), factors=factors)
    tried = try_around(small, factors)
    assert found.budgets == pytest.approx(tried.budgets)
    for solve, plan in zip(found.solves[1:], tried.plans, strict=True):
        assert (solve.plan is None) == (plan is None)
        if plan is not None:
            assert solve.tokens_per_s == pytest.approx(plan.tokens_per_s, rel=1e-6)
            assert plan.usd_per_hour <= solve.usd_per_hour * (1 + 1e-9)
    once = weighted(Search(small, DOCUMENTED, gap=0.0), 0.5).best
    best = weighted_point(small, 0.5)
    assert once is not None
    assert best is not None
    assert once.usd_per_token * 1e6 == pytest.approx(best.usd_per_million_tokens, rel=1e-6)


def test_costs_of_many_pools(medium: Problem, small: Problem) -> None:
    pools = (medium, small)
    by_budgets, by_weight = costs_of_budgets(pools, COARSE_FACTORS), costs_of_weight(pools, 0.5)
    assert by_budgets.least == by_weight.least
    assert by_budgets.solves == 18
    for costs in (by_budgets, by_weight):
        pairs = zip(costs.usd_per_million_tokens, costs.least, strict=True)
        assert all(least <= cost < math.inf for cost, least in pairs)
    loss = by_weight.usd_per_million_tokens[0] / by_budgets.usd_per_million_tokens[0] - 1
    assert loss == pytest.approx(0.811, abs=5e-4)
