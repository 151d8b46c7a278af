"""The coarsest budget points, 3 ("fastest") instead of 6, over a hundred pools.

As `budget_points_over_pools`: the documented program, every solve proven. The document promises no figure.
"""

from harness import Metric, Optimization, Requires
from harness.placement.documented.budgets import COARSE_FACTORS, COARSEST_FACTORS
from harness.placement.trials.budget_rules import costs_of_budgets
from harness.placement.trials.pool_losses import hundred_pools, loss_metrics

OPTIMIZATION = Optimization(
    name="coarsest_budget_points",
    title="3 budget points instead of 6, over a hundred pools",
    metrics=(*loss_metrics(), Metric("solves", "solves", gate="exact", value=lambda c: c.solves)),
    requires=Requires(kind="host"),
)


def test_coarsest_budgets(ab):
    ab.arms(
        baseline=lambda: costs_of_budgets(hundred_pools(), COARSE_FACTORS),
        optimized=lambda: costs_of_budgets(hundred_pools(), COARSEST_FACTORS),
    )
    ab.run()
