"""The document's other lists of sizes over a hundred pools: 11 ("slower but more options"), 4 ("fastest").

Both lists are written for 40 layers. For other models they are cut as the document's own rule cuts its
list: the sizes below the number of layers, and all layers at once. No figure is promised for either.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.placement import fine_sizes
from harness.placement.trials.pool_losses import (
    ELEVEN_SIZES,
    FOUR_SIZES,
    costs_of_sizes,
    hundred_pools,
    loss_metrics,
    up_to,
)

OPTIMIZATION = Optimization(
    name="other_segment_sizes",
    title="11 or 4 segment sizes instead of 14, over a hundred pools",
    metrics=(*loss_metrics(), Metric("segments", "segments", gate="exact", value=lambda c: c.segments)),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("sizes", [ELEVEN_SIZES, FOUR_SIZES], ids=["11", "4"])
def test_other_sizes(ab, sizes):
    chosen = partial(up_to, sizes)
    ab.arms(
        baseline=lambda: costs_of_sizes(hundred_pools(), fine_sizes),
        optimized=lambda: costs_of_sizes(hundred_pools(), chosen),
    )
    ab.run()
