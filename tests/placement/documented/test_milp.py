from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.documented.milp import Goal, Milp, build_model, solve
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

EveryPlan = Callable[[Problem, tuple[int, ...]], Iterator[tuple[float, float]]]


def model(problem: Problem, sizes: tuple[int, ...], rules: Rules, goal: Goal) -> Milp:
    """Segments as published, the program's own rules as given."""
    return build_model(enumerate_segments(problem, sizes, DOCUMENTED), problem, rules, goal)


@pytest.mark.parametrize(
    ("sizes", "columns", "tokens_per_s"),
    [
        pytest.param(coarse_sizes(40), 2932, 6304.34, id="6 sizes"),
        pytest.param(fine_sizes(40), 4941, 8405.78, id="14 sizes"),
    ],
)
def test_optimum_within_a_budget(
    medium: Problem, sizes: tuple[int, ...], columns: int, tokens_per_s: float
) -> None:
    milp = model(medium, sizes, CORRECTED, Goal(usd_per_hour=3.6))
    assert milp.program.shape[0] == columns
    solution = solve(milp)
    assert solution.status == "optimal"
    assert solution.gap == pytest.approx(0, abs=1e-9)
    assert solution.bound == pytest.approx(solution.objective)
    plan = solution.require()
    assert plan.tokens_per_s == pytest.approx(tokens_per_s, abs=0.005)
    assert plan.usd_per_hour <= 3.6 + 1e-6
    assert verify_plan(plan, medium, DOCUMENTED) == ()


def test_the_documented_big_m_caps_the_plan(medium: Problem) -> None:
    capped = solve(model(medium, coarse_sizes(40), DOCUMENTED, Goal(usd_per_hour=4.0)))
    assert capped.objective == pytest.approx(8344.650268554688, rel=1e-12)
    free = solve(model(medium, coarse_sizes(40), CORRECTED, Goal(usd_per_hour=4.0)))
    assert free.objective == pytest.approx(9655.95, abs=0.005)


def test_documented_groups_are_used_in_order(tiny: Problem) -> None:
    """Two A100 and two T4 make two groups each at TP 1: one more row per type."""
    free = model(tiny, all_sizes(4), CORRECTED, Goal()).program.shape
    ordered = model(tiny, all_sizes(4), DOCUMENTED, Goal()).program.shape
    assert (ordered[0] - free[0], ordered[1] - free[1], ordered[2] - free[2]) == (0, 2, 4)


def test_the_solver_works_in_the_calling_thread(medium: Problem) -> None:
    milp = model(medium, coarse_sizes(40), CORRECTED, Goal(usd_per_hour=2.4))
    process, thread = time.process_time(), time.thread_time()
    solve(milp)
    process, thread = time.process_time() - process, time.thread_time() - thread
    assert thread == pytest.approx(process, rel=0.1)


def test_same_input_same_plan(medium: Problem) -> None:
    milp = model(medium, coarse_sizes(40), CORRECTED, Goal(usd_per_hour=2.4))
    assert solve(milp) == solve(milp)


def test_no_plan_within_the_budget(medium: Problem) -> None:
    solution = solve(model(medium, coarse_sizes(40), CORRECTED, Goal(usd_per_hour=1.9)))
    assert (solution.status, solution.plan) == ("infeasible", None)
    assert math.isnan(solution.objective)


def test_no_segments_at_all(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    segments = enumerate_segments(problem, all_sizes(4), CORRECTED)
    assert solve(build_model(segments, problem, CORRECTED, Goal())).status == "infeasible"


def test_out_of_time_before_any_plan(medium: Problem) -> None:
    solution = solve(model(medium, all_sizes(40), CORRECTED, Goal(usd_per_hour=3.6)), time_limit_s=0.0)
    assert (solution.status, solution.plan) == ("no plan found", None)


def test_a_plan_without_proof_says_so(medium: Problem) -> None:
    """All sizes need half a minute to prove; a second finds a plan or says that it did not."""
    solution = solve(model(medium, all_sizes(40), CORRECTED, Goal()), time_limit_s=2.0)
    assert solution.status in ("feasible", "no plan found")
    assert (solution.plan is None) == (solution.status == "no plan found")
    assert solution.plan is None or verify_plan(solution.plan, medium, DOCUMENTED) == ()


def test_links_that_could_bind_are_refused(medium: Problem) -> None:
    slow = replace(medium, bandwidth_gb_per_s=np.full((64, 64), 0.5))
    with pytest.raises(HarnessError, match="may limit the fastest stage"):
        model(slow, coarse_sizes(40), CORRECTED, Goal())


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_optimum_equals_brute_force(
    small_problems: st.SearchStrategy[Problem], every_plan: EveryPlan, data: st.DataObject
) -> None:
    problem = data.draw(small_problems)
    sizes = tuple(sorted(data.draw(st.sets(st.integers(1, problem.layers), min_size=1))))
    goal = Goal(data.draw(st.sampled_from([1.1, 3.1, 6.1, math.inf])), data.draw(st.sampled_from([0, 50.0])))
    values = [
        rate - goal.tokens_per_s_per_usd * usd
        for rate, usd in every_plan(problem, sizes)
        if usd <= goal.usd_per_hour
    ]
    segments = enumerate_segments(problem, sizes, CORRECTED)
    solution = solve(build_model(segments, problem, CORRECTED, goal))
    if not values:
        assert solution.status == "infeasible"
        return
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(max(values), rel=1e-6)
    assert verify_plan(solution.require(), problem, CORRECTED) == ()
