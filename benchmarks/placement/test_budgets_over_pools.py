"""Coarse budget points over a hundred pools: 6 multiples of a first plan's cost instead of 12.

The documented program with its 6 sizes, every solve proven: budgets are answered by its exact front.
Losses are to the 12 points (`baseline`) and to the cheapest token of that program (`optimum`).
`pools_without_plan` are those on which the documented rules leave no plan, whatever the budget.
"""

from math import inf

from harness import Claim, Metric, Optimization, Requires
from harness.placement.documented.budgets import COARSE_FACTORS, FINE_FACTORS
from harness.placement.trials.budget_rules import costs_of_budgets
from harness.placement.trials.pool_losses import hundred_pools, loss_metrics

TEXT = "placement-optimization-summary.md"
SAME, OPTIMAL = "We don't need to test $0.35 [...] They give same result!", "95-98% of optimal"

OPTIMIZATION = Optimization(
    name="budget_points_over_pools",
    title="6 budget points instead of 12, over a hundred pools",
    metrics=(*loss_metrics(), Metric("solves", "solves", gate="exact", value=lambda c: c.solves)),
    claims=(
        Claim("solves", f"{TEXT}, Budget Points", "15 → 8 (47% reduction)", ratio=(0.525, 0.535)),
        Claim("median_loss_to_baseline", f"{TEXT}, Summary", "<5% quality loss", value=(-inf, 0.05)),
        Claim("p90_loss_to_baseline", f"{TEXT}, Summary", "<5% quality loss", value=(-inf, 0.05)),
        Claim("worst_loss_to_baseline", f"{TEXT}, Why Coarse Budget Points Work", SAME, value=(-inf, 0.001)),
        Claim("worst_loss_to_optimum", f"{TEXT}, Trade-offs", OPTIMAL, value=(-inf, 1 / 0.95 - 1)),
        Claim("worst_loss_to_optimum", f"{TEXT}, How to Use", "Guaranteed optimal", value=(-inf, 0.001)),
    ),
    requires=Requires(kind="host"),
)


def test_budgets_over_pools(ab):
    ab.arms(
        baseline=lambda: costs_of_budgets(hundred_pools(), FINE_FACTORS),
        optimized=lambda: costs_of_budgets(hundred_pools(), COARSE_FACTORS),
    )
    ab.run()
