"""The weighted method at 0.5 instead of the enumeration: what it costs on medium and over a hundred pools.

The documented program with its 6 sizes, every solve proven: both methods are read off its exact front.
Losses are to the enumeration's token (`baseline`) and to the cheapest of that program (`optimum`);
that program's optimum is itself above the proven one.
"""

from math import inf

import pytest

from harness import Claim, Optimization, Requires
from harness.placement import read_problem
from harness.placement.documented.budgets import COARSE_FACTORS
from harness.placement.trials.budget_rules import costs_of_budgets, costs_of_weight
from harness.placement.trials.pool_losses import hundred_pools, loss_metrics

TEXT = "placement-optimization-summary.md"
COMPARED, FAST = f"{TEXT}, Compare Methods", f"{TEXT}, Weighted Approximation"

OPTIMIZATION = Optimization(
    name="weighted_over_pools",
    title="The weighted method instead of the enumeration, every solve proven",
    metrics=loss_metrics(),
    claims=(
        Claim("median_loss_to_baseline", COMPARED, "<5% difference", value=(-inf, 0.05)),
        Claim("p90_loss_to_baseline", COMPARED, "<5% difference", value=(-inf, 0.05)),
        Claim("median_loss_to_optimum", FAST, "95%+ of optimal", value=(-inf, 1 / 0.95 - 1)),
        Claim("worst_loss_to_optimum", FAST, "95%+ of optimal", value=(-inf, 1 / 0.95 - 1)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("pools", ["medium", "pools"])
def test_weighted_over_pools(ab, pools):
    one = None if pools == "pools" else read_problem(ab.uses(f"fixtures/placement/{pools}"))

    def problems():
        return hundred_pools() if one is None else (one,)

    ab.arms(
        baseline=lambda: costs_of_budgets(problems(), COARSE_FACTORS),
        optimized=lambda: costs_of_weight(problems(), 0.5),
    )
    ab.run()
