from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.documented.budgets import BLIND_BUDGETS, COARSEST_FACTORS
from harness.placement.documented.enumeration import compare, dearer, enumeration
from harness.placement.documented.methods import Search, solve_within, weighted
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import DOCUMENTED, all_sizes
from harness.placement.solver.interruption import Stop

ROOT = Path(__file__).parents[3]
EveryPlan = Callable[[Problem, tuple[int, ...]], Iterator[tuple[float, float]]]

# What the reference found at each of the nine budgets of medium: tokens/s, USD/h.
REFERENCE = {
    2.0: (2901.4, 2.0),
    2.4: (6304.3, 2.4),
    3.0: (6304.3, 2.4),
    6.0: (9536.7, 5.8),
    12.0: (9536.7, None),  # any cost at which the cap is reached
}

# Few sizes: solved at once, and the ballpark is 2 USD/h all the same.
FEW = (20, 40)


def with_config(problem: Problem, **changes: object) -> Problem:
    return replace(problem, config=replace(problem.config, **changes))  # type: ignore[arg-type]


def test_the_documented_enumeration_of_medium(medium: Problem) -> None:
    """Ballpark 2 USD/h, nine budgets, four of them below the cheapest plan; the best token 7 % too dear."""
    result = enumeration(Search(medium, DOCUMENTED, linked=False, gap=0.0))
    assert result.solves[0].cost_weight == 0.95
    assert result.budgets == pytest.approx((0.2, 0.8, 1.4, 1.8, 2.0, 2.4, 3.0, 6.0, 12.0))
    assert [solve.usd_per_hour for solve in result.solves[1:]] == list(result.budgets)
    assert [solve.status for solve in result.solves[1:]] == ["infeasible"] * 4 + ["optimal"] * 5
    for solve, (tokens_per_s, usd) in zip(result.solves[5:], REFERENCE.values(), strict=True):
        assert solve.tokens_per_s == pytest.approx(tokens_per_s, abs=0.05)
        assert solve.plan is not None
        assert usd is None or solve.plan.usd_per_hour == pytest.approx(usd)
    assert result.best is not None
    assert result.best.usd_per_token * 1e6 == pytest.approx(0.105747, abs=1e-6)
    assert (result.proven, result.interrupted, result.warnings) == (True, False, ())


def test_the_corrected_enumeration_of_medium(medium: Problem) -> None:
    """0.103563 USD per million tokens: the best there is with 6 sizes, at the budget of 12."""
    result = enumeration(Search(medium))
    assert result.best is not None
    assert result.best.usd_per_hour == pytest.approx(12)
    assert result.best.usd_per_token * 1e6 == pytest.approx(0.103563, abs=1e-6)


def test_both_methods_compared(medium: Problem) -> None:
    """Not within 5 %: the weighted token costs 81 % more than the enumeration's."""
    both = compare(Search(medium, DOCUMENTED, linked=False), factors=(1.0, 1.2))
    assert both.gap == pytest.approx(0.8107, abs=1e-4)
    assert (len(both.weighted.solves), len(both.enumeration.solves)) == (1, 6)
    assert both.weighted.solves[0].cost_weight == 0.5
    assert both.enumeration.solves[0].cost_weight == 0.95


def test_free_plans_compare(tiny: Problem) -> None:
    assert (dearer(2.0, 1.0), dearer(0.0, 0.0), dearer(2.0, 0.0)) == (1.0, 0.0, math.inf)
    free = replace(tiny, pool=tuple(replace(gpu, usd_per_hour=0.0) for gpu in tiny.pool))
    assert compare(Search(free)).gap == 0.0


def test_a_comparison_at_the_configs_weight_solves_the_ballpark_once(medium: Problem) -> None:
    both = compare(Search(medium, sizes=FEW), 0.95, factors=(1.0,))
    assert both.enumeration.solves[0] is both.weighted.solves[0]
    assert both.enumeration.budgets == pytest.approx((0.2, 2, 6, 12))


def test_a_comparison_without_plans_has_no_gap(medium: Problem) -> None:
    both = compare(Search(with_config(medium, max_hourly_cost=1.0)))
    assert math.isnan(both.gap)
    assert both.enumeration.budgets == ()
    assert [solve.status for solve in both.enumeration.solves] == ["infeasible"]
    assert both.enumeration.proven


def test_factors_come_from_the_argument_or_the_config(medium: Problem) -> None:
    problem = with_config(medium, budget_factors=(1.1,))
    search = Search(problem, sizes=FEW)
    assert enumeration(search).budgets == pytest.approx((0.2, 2.2, 6, 12))
    assert len(enumeration(search, factors=COARSEST_FACTORS).budgets) == 6


def test_budgets_of_ones_own_need_no_ballpark(medium: Problem) -> None:
    """The document's blind ones: four of eight are below the cheapest plan."""
    result = enumeration(Search(medium, sizes=FEW), budgets=BLIND_BUDGETS)
    assert result.budgets == BLIND_BUDGETS
    assert [solve.usd_per_hour for solve in result.solves] == list(BLIND_BUDGETS)
    assert [solve.status for solve in result.solves].count("infeasible") == 4


def test_no_budget_is_above_the_configs(medium: Problem) -> None:
    problem = with_config(medium, max_hourly_cost=2.5)
    search = Search(problem, sizes=FEW)
    assert enumeration(search, budgets=BLIND_BUDGETS).budgets == (0.3, 0.5, 0.8, 1.2, 2.0, 2.5)
    assert enumeration(search).budgets[-1] == 2.5


def test_without_a_ballpark_the_whole_range_is_tried(medium: Problem) -> None:
    result = enumeration(Search(medium, time_limit_s=0.0))
    assert len(result.budgets) == 8
    assert result.warnings == (
        "no ballpark: eight budgets over the whole range instead",
        "9 of 9 solves ended without a proof",
    )
    assert (result.best, result.proven) == (None, False)


def test_plans_above_the_target_are_not_competitive(medium: Problem) -> None:
    """Between the ballpark's 1.91e-7 and what budgets of 2.4 and 3.2 buy, 1.057e-7."""
    search = Search(with_config(medium, max_cost_per_token=1.06e-7))
    result = enumeration(search, factors=(1.2,))
    assert [solve.usd_per_hour for solve in result.competitive] == pytest.approx([2.4, 3.2])
    assert result.competitive[0] is result.best
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith(
        "phase 1 stops at its first plan, though a token costs 1.915e-07 USD"
    )


def test_a_narrower_range_can_miss_the_best_plan(medium: Problem) -> None:
    """Below 1e-4 the range ends at 6.4 USD/h; the best token needs 8, so a target it meets looks hopeless."""
    result = enumeration(Search(with_config(medium, max_cost_per_token=1.05e-7)), factors=(1.2,))
    assert result.budgets == pytest.approx((0.2, 2.4, 3.2, 6.4))
    assert result.competitive == ()
    assert result.best is not None
    assert result.best.usd_per_token == pytest.approx(1.0575e-7, rel=1e-4)
    assert any(warning.startswith("target too aggressive") for warning in result.warnings)
    assert solve_within(Search(medium), 8.0, 0.0).usd_per_token < 1.05e-7


def test_a_stop_ends_the_whole_method_with_what_it_has(medium: Problem) -> None:
    """Asked between the budgets: the ballpark's plan is there, the rest is not tried."""
    ballpark = solve_within(Search(medium), math.inf, 0.95)
    stop = Stop()
    stop.asked = True
    result = enumeration(Search(medium, stop=stop), ballpark=ballpark)
    assert result.solves == (ballpark,)
    assert result.best is ballpark
    assert (result.interrupted, result.proven) == (True, False)
    assert result.warnings == ("stopped after 0 of 9 budgets",)


INTERRUPTED = """
from pathlib import Path
from harness.placement import DOCUMENTED, read_problem
from harness.placement.documented.enumeration import enumeration
from harness.placement.solver.interruption import stop_on_interrupt
from harness.placement.documented.methods import Search
medium = read_problem(Path("fixtures/placement/medium"))
with stop_on_interrupt() as stop:
    print("solving", flush=True)
    result = enumeration(Search(medium, DOCUMENTED, stop=stop), budgets=(0.2, 12.0))
print([solve.status for solve in result.solves], result.best, result.proven, result.interrupted)
"""


def test_a_real_interrupt_ends_the_whole_method() -> None:
    """Whatever it hits of the two budgets, or between them; the second takes HiGHS minutes."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "solving\n"
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert "optimal" not in printed
    assert printed.endswith("None False True\n")


def test_weighted_never_beats_a_full_enumeration_of_budgets(medium: Problem) -> None:
    """Its plan costs some budget; the fastest plan at that budget is at least as good per token."""
    search = Search(medium, sizes=FEW, gap=0.0)
    for weight in (0.1, 0.2, 0.5):
        plan = weighted(search, weight).best
        assert plan is not None
        assert plan.plan is not None
        other = enumeration(search, budgets=[plan.plan.usd_per_hour]).best
        assert other is not None
        assert other.usd_per_token <= plan.usd_per_token * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_best_of_the_budgets_equals_brute_force(
    small_problems: st.SearchStrategy[Problem], every_plan: EveryPlan, data: st.DataObject
) -> None:
    problem = data.draw(small_problems)
    budgets = sorted(data.draw(st.sets(st.sampled_from([0.6, 1.1, 2.1, 3.1, 6.1]), min_size=1)))
    sizes = all_sizes(problem.layers)
    result = enumeration(Search(problem, sizes=sizes, gap=0.0), budgets=budgets)
    plans = list(every_plan(problem, sizes))
    tokens = []
    for budget in budgets:
        within = [(rate, -usd) for rate, usd in plans if usd <= budget]
        if within:
            rate, usd = max(within)
            tokens.append(-usd / (3600 * rate))
    if not tokens:
        assert result.best is None
        return
    assert result.best is not None
    assert result.best.usd_per_token == pytest.approx(min(tokens), rel=1e-6)


def test_the_documented_methods_with_links_on_small(small: Problem) -> None:
    """With connection columns as without: links are fast, and the best plans need no forbidden neighbours."""
    search = Search(small, DOCUMENTED, gap=0.0)
    assert search.has_links
    both, bare = compare(search), compare(replace(search, linked=False))
    for method, other in ((both.weighted, bare.weighted), (both.enumeration, bare.enumeration)):
        assert method.best is not None
        assert other.best is not None
        assert method.best.usd_per_token == pytest.approx(other.best.usd_per_token)
        assert method.proven
    assert both.enumeration.best is not None
    assert both.enumeration.best.plan is not None
    assert verify_plan(both.enumeration.best.plan, small, DOCUMENTED) == ()
