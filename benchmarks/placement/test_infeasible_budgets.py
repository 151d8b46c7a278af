"""Budgets of the documented enumeration that buy no plan on medium: to prove that, beside the exact front.

The cheapest plan costs 2.00 USD/h, and these four of nine budgets are below. A MILP without a solution
is settled sooner than one with, so they are listed apart from `easiest_budget`. The front, proven and
over every size, begins at its cheapest plan: one front answers all four, and every other budget.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.placement import DOCUMENTED, Goal, exact_front, read_problem, solve, stage_table
from harness.placement.documented.methods import Search


def plans(found, front, usd_per_hour):
    return float(found.plan is not None) + float(front.fastest_within(usd_per_hour) is not None)


OPTIMIZATION = Optimization(
    name="infeasible_budgets",
    title="The exact front instead of the documented program, where a budget buys nothing",
    metrics=(
        Metric("solve_time", "s", gate="paired", floor=0.25),  # array code shifts by 10 % between runs
        Metric("plans", "plans", gate="bounded", compare=partial(plans, usd_per_hour=1.8), limit=0),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)


@pytest.mark.slow
@pytest.mark.parametrize("usd_per_hour", [0.2, 0.8, 1.4, 1.8])
def test_infeasible_budgets(ab, usd_per_hour):
    problem = read_problem(ab.uses("fixtures/placement/medium"))
    documented = partial(Search(problem, DOCUMENTED).milp, Goal(usd_per_hour=usd_per_hour))
    ab.arms(
        baseline=Arm(partial(solve, gap=0.05), prepare=documented),
        optimized=lambda: exact_front(stage_table(problem)),
    )
    ab.run()
