"""Budgets around a first plan's cost, in a range from the prices, instead of a fixed list of eight.

Every solve is proven: budgets are answered by the exact front of the documented program (6 sizes). A solve
is wasted when its budget buys no plan, or no cheaper token than a lower budget did. `pools`: all solves
of a hundred pools together; without a first plan there are no focused solves, so pools on which the
documented rules leave no plan count for neither arm.
"""

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.placement import read_problem
from harness.placement.documented.budgets import COARSE_FACTORS
from harness.placement.trials.budget_rules import front_of, try_around, try_blind
from harness.placement.trials.pool_losses import hundred_pools

TEXT = "placement-optimization-summary.md, Competitive Intelligence"

OPTIMIZATION = Optimization(
    name="budget_range",
    title="Budgets in a range from the prices instead of a fixed list",
    metrics=(
        Metric("solves", "solves", gate="exact", value=lambda tried: sum(len(t.budgets) for t in tried)),
        Metric("infeasible", "solves", gate="exact", value=lambda tried: sum(t.infeasible for t in tried)),
        Metric("wasted", "solves", gate="exact", value=lambda tried: sum(t.wasted for t in tried)),
    ),
    claims=(
        Claim("wasted", TEXT, "30-40% fewer wasted solves", ratio=(0.6, 0.7)),
        Claim("infeasible", TEXT, "Filters out infeasible budgets", ratio=(0, 0)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("pools", ["medium", "small", "pools"])
def test_budget_range(ab, pools):
    one = None if pools == "pools" else read_problem(ab.uses(f"fixtures/placement/{pools}"))

    def problems():
        chosen = hundred_pools() if one is None else (one,)
        return [problem for problem in chosen if front_of(problem).points]

    ab.arms(
        baseline=lambda: [try_blind(problem) for problem in problems()],
        optimized=lambda: [try_around(p, COARSE_FACTORS) for p in problems()],
    )
    ab.run()
