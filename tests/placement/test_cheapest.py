from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.cheapest import cheapest_per_token, cheapest_plan
from harness.placement.milp import Goal, build_model, solve
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    Rules,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)
from harness.placement.stages import stage_table

EveryPlan = Callable[[Problem, tuple[int, ...]], Iterator[tuple[float, float]]]


@pytest.mark.parametrize("rules", [DOCUMENTED, CORRECTED], ids=lambda rules: rules.name)
@pytest.mark.parametrize(
    ("sizes", "tokens_per_s", "usd_per_hour", "usd_per_million"),
    [
        pytest.param(coarse_sizes(40), 21457.67, 8.0, 0.103563, id="6 sizes"),
        pytest.param(fine_sizes(40), 21457.67, 8.0, 0.103563, id="14 sizes"),
        pytest.param(all_sizes(40), 10131.97, 3.6, 0.0986975, id="all sizes"),
    ],
)
def test_cheapest_token_of_the_medium_pool(
    medium: Problem,
    rules: Rules,
    sizes: tuple[int, ...],
    tokens_per_s: float,
    usd_per_hour: float,
    usd_per_million: float,
) -> None:
    solution = cheapest_per_token(medium, sizes, rules)
    plan = solution.require()
    assert solution.status == "optimal"
    assert plan.tokens_per_s == pytest.approx(tokens_per_s, abs=0.005)
    assert plan.usd_per_hour == pytest.approx(usd_per_hour)
    assert plan.usd_per_million_tokens == pytest.approx(usd_per_million, abs=5e-7)
    assert verify_plan(plan, medium, rules) == ()


def test_the_thresholds_of_the_medium_pool(medium: Problem) -> None:
    for rules, count in ((CORRECTED, 170), (DOCUMENTED, 131)):
        assert len(stage_table(medium, rules).thresholds) == count


@pytest.mark.parametrize(
    ("floor", "usd_per_hour"),
    [(1, 2.0), (2902, 2.2), (3055, 2.4), (6305, 2.9), (7418, 3.6), (11822, 5.0), (17882, 8.0)],
)
def test_corners_of_the_front(medium: Problem, floor: float, usd_per_hour: float) -> None:
    table = stage_table(medium)
    assert cheapest_plan(medium, table, floor).require().usd_per_hour == pytest.approx(usd_per_hour)


def test_no_plan_is_fast_enough(medium: Problem) -> None:
    table = stage_table(medium)
    assert cheapest_plan(medium, table, 21_500).status == "infeasible"
    assert cheapest_plan(medium, table, 1e9).status == "infeasible"


def test_a_pool_that_holds_nothing(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    assert cheapest_per_token(problem, all_sizes(4), CORRECTED).status == "infeasible"


def test_the_segment_program_agrees_with_the_floor_program(medium: Problem) -> None:
    """One step of Dinkelbach's method from the cheapest token: no plan improves on its ratio."""
    sizes = coarse_sizes(40)
    best = cheapest_per_token(medium, sizes, DOCUMENTED).require()
    goal = Goal(tokens_per_s_per_usd=best.tokens_per_s / best.usd_per_hour)
    segments = enumerate_segments(medium, sizes, DOCUMENTED)
    assert solve(build_model(segments, medium, CORRECTED, goal)).objective == pytest.approx(0, abs=1e-6)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_cheapest_token_equals_brute_force(
    small_problems: st.SearchStrategy[Problem], every_plan: EveryPlan, data: st.DataObject
) -> None:
    problem = data.draw(small_problems)
    sizes = tuple(sorted(data.draw(st.sets(st.integers(1, problem.layers), min_size=1))))
    ratios = [usd / (3600 * rate) for rate, usd in every_plan(problem, sizes)]
    solution = cheapest_per_token(problem, sizes, CORRECTED)
    if not ratios:
        assert solution.status == "infeasible"
        return
    assert solution.require().usd_per_token == pytest.approx(min(ratios), rel=1e-9)
    assert verify_plan(solution.require(), problem, CORRECTED) == ()
