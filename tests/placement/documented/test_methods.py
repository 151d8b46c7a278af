from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.documented.methods import Search, solve_within, weighted
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.rates import link_rate
from harness.placement.segments import CORRECTED, DOCUMENTED, all_sizes, coarse_sizes
from harness.placement.solver.interruption import Stop

EveryPlan = Callable[[Problem, tuple[int, ...]], Iterator[tuple[float, float]]]


def with_config(problem: Problem, **changes: object) -> Problem:
    return replace(problem, config=replace(problem.config, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weight", "usd_per_hour", "objective"),
    [
        pytest.param(0.5, 2.0, 0.29014 - 2.0, id="balanced"),
        pytest.param(0.95, 2.0, 0.29014 - 19 * 2.0, id="the config's"),
        pytest.param(0.0, 8.0, 21457.67, id="throughput alone"),
        pytest.param(1.0, 2.0, -2.0, id="cost alone"),
    ],
)
def test_weighted_optima_of_medium(
    medium: Problem, weight: float, usd_per_hour: float, objective: float
) -> None:
    """In the document's units; the plan at 0.5 and 0.95 costs 0.1915 USD per million tokens."""
    result = weighted(Search(medium, gap=0.0), weight)
    assert result.best is not None
    assert result.best.plan is not None
    assert result.best.plan.usd_per_hour == pytest.approx(usd_per_hour)
    assert result.best.objective == pytest.approx(objective, rel=1e-5)
    assert (result.proven, result.warnings, len(result.solves)) == (True, (), 1)
    if usd_per_hour == 2.0:
        assert result.best.usd_per_token * 1e6 == pytest.approx(0.191477, abs=1e-6)


def test_the_configs_weight_and_budget_are_the_defaults(medium: Problem) -> None:
    problem = with_config(medium, cost_throughput_weight=0.0, max_hourly_cost=2.4)
    result = weighted(Search(problem))
    assert result.best is not None
    assert (result.best.cost_weight, result.best.usd_per_hour) == (0.0, 2.4)
    assert result.best.tokens_per_s == pytest.approx(6304.34, abs=0.005)


def test_the_documented_cap_counts_in_its_cost_per_token(medium: Problem) -> None:
    """4 USD/h for 8344.65 tokens/s is 1.3315250793650794e-07 USD, though the plan makes 8583."""
    capped = solve_within(Search(medium, DOCUMENTED, gap=0.0, linked=False), 4.0, 0.0)
    assert capped.plan is not None
    assert capped.tokens_per_s == pytest.approx(8344.650268554688, rel=1e-12)
    assert capped.usd_per_token == pytest.approx(1.3315250793650794e-07, rel=1e-12)
    assert capped.plan.tokens_per_s == pytest.approx(8583.07, abs=0.005)


@pytest.mark.parametrize("budget", [2.4, 2.6, 2.8])
def test_the_cheapest_of_the_fastest(medium: Problem, budget: float) -> None:
    """6304 tokens/s cost 2.4 USD/h; a budget of up to 2.8 buys no more of them, and costs no more."""
    found = solve_within(Search(medium, gap=0.0), budget, 0.0)
    assert found.plan is not None
    assert found.tokens_per_s == pytest.approx(6304.34, abs=0.005)
    assert found.plan.usd_per_hour == pytest.approx(2.4)


def test_documented_rules_take_any_of_the_fastest(medium: Problem) -> None:
    """Capped at 9536.7 tokens/s, which 5.8 USD/h buy, a budget of 12 is spent on more than it needs."""
    search = Search(medium, DOCUMENTED, gap=0.0, linked=False)
    enough, more = (solve_within(search, budget, 0.0) for budget in (5.8, 12.0))
    assert enough.tokens_per_s == pytest.approx(9536.7431640625)
    assert more.tokens_per_s == pytest.approx(9536.7431640625)
    assert enough.plan is not None
    assert more.plan is not None
    assert more.plan.usd_per_hour > enough.plan.usd_per_hour + 0.1


@pytest.mark.parametrize(
    ("changes", "sizes", "used"),
    [
        ({}, None, coarse_sizes(40)),
        ({"enable_segment_quantization": False}, None, all_sizes(40)),
        ({"segment_sizes": (10, 20)}, None, (10, 20)),
        ({"segment_sizes": (10, 20)}, (5, 40), (5, 40)),
    ],
)
def test_which_sizes_are_used(
    medium: Problem, changes: dict[str, object], sizes: tuple[int, ...] | None, used: tuple[int, ...]
) -> None:
    search = Search(with_config(medium, **changes), sizes=sizes)
    assert search.segment_sizes == used
    assert set(search.segments["size"].tolist()) <= set(used)


def test_time_limit_and_gap_are_the_configs_unless_given(medium: Problem) -> None:
    problem = with_config(medium, time_limit_seconds=0.0, optimality_gap=0.5)
    unfinished = weighted(Search(problem))
    assert (unfinished.best, unfinished.proven) == (None, False)
    assert unfinished.solves[0].status == "no plan found"
    assert unfinished.solves[0].usd_per_token == math.inf
    assert unfinished.warnings == ("1 of 1 solves ended without a proof",)
    assert weighted(Search(problem, time_limit_s=60.0)).solves[0].gap <= 0.5
    assert weighted(Search(problem, time_limit_s=60.0, gap=0.0)).solves[0].gap == pytest.approx(0)


def test_no_plan_within_the_configs_budget(medium: Problem) -> None:
    result = weighted(Search(with_config(medium, max_hourly_cost=1.9)))
    assert (result.best, result.proven, result.solves[0].status) == (None, True, "infeasible")


def test_a_target_that_no_plan_meets_is_warned_of(medium: Problem) -> None:
    result = weighted(Search(with_config(medium, max_cost_per_token=1e-8)), 0.0)
    assert result.best is not None
    assert result.competitive == ()
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("target too aggressive: a token costs 1.036e-07 USD")
    met = weighted(Search(with_config(medium, max_cost_per_token=1.1e-7)), 0.0)
    assert (len(met.competitive), met.warnings) == (1, ())


def test_links_that_bind_are_in_the_model(tiny: Problem) -> None:
    """At 100,000 tokens/s between any two, one stage without neighbours is faster; both weights agree."""
    slow = 1e5 / link_rate(tiny.config, 1.0)
    problem = with_config(replace(tiny, bandwidth_gb_per_s=np.full((4, 4), slow)), segment_sizes=(1, 2, 3, 4))
    search = Search(problem, gap=0.0)
    assert search.has_links
    fastest = weighted(search, 0.0).best
    assert fastest is not None
    assert fastest.plan is not None
    assert len(fastest.plan.stages) == 1
    cheapest = weighted(search, 1.0).best
    assert cheapest is not None
    assert cheapest.plan is not None
    assert cheapest.plan.usd_per_hour < fastest.plan.usd_per_hour
    assert cheapest.tokens_per_s == pytest.approx(1e5)
    assert verify_plan(cheapest.plan, problem, CORRECTED) == ()


def test_of_equally_fast_plans_over_slow_links_the_cheapest(tiny: Problem) -> None:
    """Every plan of two or more stages makes 100 tokens/s then: T4 are the cheapest of them."""
    slow = 100 / link_rate(tiny.config, 1.0)
    problem = with_config(replace(tiny, bandwidth_gb_per_s=np.full((4, 4), slow)), segment_sizes=(1, 2, 3))
    found = solve_within(Search(problem, gap=0.0), math.inf, 0.0)
    cheapest = solve_within(Search(problem, gap=0.0), math.inf, 1.0)
    assert found.plan is not None
    assert cheapest.plan is not None
    assert found.tokens_per_s == pytest.approx(cheapest.tokens_per_s)
    assert found.plan.usd_per_hour == pytest.approx(cheapest.plan.usd_per_hour)


def test_asked_to_stop_before_it_began(medium: Problem) -> None:
    stop = Stop()
    stop.asked = True
    result = weighted(Search(medium, stop=stop))
    assert (result.best, result.interrupted, result.proven) == (None, True, False)


def test_equal_input_gives_equal_results(medium: Problem) -> None:
    assert weighted(Search(medium)) == weighted(Search(medium))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_optimum_equals_brute_force(
    small_problems: st.SearchStrategy[Problem], every_plan: EveryPlan, data: st.DataObject
) -> None:
    """For each weight within each budget; and then the better of what was not asked for."""
    problem = data.draw(small_problems)
    weight = data.draw(st.sampled_from([0.0, 0.2, 0.5, 0.95, 1.0]))
    budget = data.draw(st.sampled_from([1.1, 3.1, math.inf]))
    sizes = all_sizes(problem.layers)
    found = solve_within(Search(problem, sizes=sizes, gap=0.0), budget, weight)
    config = problem.config
    price = math.inf if weight == 1 else weight / (1 - weight)

    def value(rate: float, usd: float) -> tuple[float, float]:
        if weight in (0, 1):
            return (rate, -usd) if weight == 0 else (-usd, rate)
        return rate / config.throughput_normalization - price * usd / config.cost_normalization, 0.0

    values = [value(rate, usd) for rate, usd in every_plan(problem, sizes) if usd <= budget]
    if not values:
        assert found.status == "infeasible"
        return
    best = max(values)
    assert found.plan is not None
    assert found.objective == pytest.approx(best[0], rel=1e-6, abs=1e-6)
    assert value(found.plan.tokens_per_s, found.plan.usd_per_hour) == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert found.tokens_per_s == found.plan.tokens_per_s
    assert verify_plan(found.plan, problem, CORRECTED) == ()


def test_documented_rules_have_their_links_unless_told_otherwise(tiny: Problem) -> None:
    """They forbid neighbours of different types with the same number: the model without links does not."""
    problem = with_config(tiny, segment_sizes=(1, 2))
    assert Search(problem, DOCUMENTED).has_links
    assert not Search(problem, DOCUMENTED, linked=False).has_links
    assert not Search(problem).has_links
    with_links, without = (
        weighted(Search(problem, DOCUMENTED, linked=linked, gap=0.0), 0.0).best for linked in (None, False)
    )
    assert with_links is not None
    assert without is not None
    assert with_links.tokens_per_s <= without.tokens_per_s
