"""The document's 6 segment sizes over a hundred pools: what they cost where nobody picked the pool.

Each pool's cheapest token is proven, with the sizes and without: the losses are exact, the rules
corrected, so that sizes are the only difference. Nothing is timed: the arms keep their answers. Losses
are to the 14 sizes (`baseline`) and to every size (`optimum`). The promises name no pool, so they are read
against the worst one too; "rarely" is read as in one pool of ten.
"""

from math import inf

from harness import Claim, Metric, Optimization, Requires
from harness.placement import coarse_sizes, fine_sizes
from harness.placement.trials.pool_losses import costs_of_sizes, hundred_pools, loss_metrics

TEXT = "placement-optimization-summary.md"
LESS, RARE, OPTIMAL = "<5% quality loss", "Might miss 1-2% better solution in rare cases", "95-98% of optimal"
RARELY = "Removed sizes (7, 12, 17, 23, etc.) rarely optimal anyway!"

OPTIMIZATION = Optimization(
    name="segment_sizes_over_pools",
    title="6 segment sizes instead of 14, over a hundred pools",
    metrics=(*loss_metrics(), Metric("segments", "segments", gate="exact", value=lambda c: c.segments)),
    claims=(
        Claim("median_loss_to_baseline", f"{TEXT}, Summary", LESS, value=(-inf, 0.05)),
        Claim("p90_loss_to_baseline", f"{TEXT}, Summary", LESS, value=(-inf, 0.05)),
        Claim("worst_loss_to_baseline", f"{TEXT}, Summary", LESS, value=(-inf, 0.05)),
        Claim("p90_loss_to_optimum", f"{TEXT}, Trade-offs", RARE, value=(-inf, 0.02)),
        Claim("worst_loss_to_optimum", f"{TEXT}, Trade-offs", OPTIMAL, value=(-inf, 1 / 0.95 - 1)),
        Claim("dearer_share_to_optimum", f"{TEXT}, Why Coarse Quantization Works", RARELY, value=(0, 0.1)),
    ),
    requires=Requires(kind="host"),
)


def test_sizes_over_pools(ab):
    ab.arms(
        baseline=lambda: costs_of_sizes(hundred_pools(), fine_sizes),
        optimized=lambda: costs_of_sizes(hundred_pools(), coarse_sizes),
    )
    ab.run()
