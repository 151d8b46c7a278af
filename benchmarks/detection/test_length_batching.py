"""Batches by length: the guide's buckets of 1,000 tokens, sorted batches, and packing, against random order.

Counted on RAGTruth's lengths, nothing is timed. The guide calls its buckets packing; most of the data are in
the first of them, so they hardly sort anything.
"""

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.detection.capture.batches import in_buckets, in_random_order, packed_under, sorted_under
from harness.detection.trials.passes import lengths, wasted, workload

GUIDE = "detection-optimization-guide.md, Technique 4"
OPTIMIZATION = Optimization(
    name="length_batching",
    title="Batches of samples of a length",
    metrics=(
        Metric("padding", "share", gate="exact", value=lambda found: found["padding"]),
        Metric("attention", "ratio", gate="exact", value=lambda found: found["attention"]),
        Metric("passes", "passes", gate="report", value=lambda found: found["passes"]),
    ),
    claims=(Claim("padding", GUIDE, "Reduces padding waste", ratio=(0.0, 0.5)),),
    requires=Requires(kind="host"),
)
SIZE = 8
PLANS = {
    "buckets of 1000": in_buckets,
    "sorted": lambda of: sorted_under(of, SIZE * 867),
    "packed": lambda of: packed_under(of, SIZE * 867),
}


@pytest.mark.parametrize("plan", PLANS)
def test_length_batching(ab, plan):
    of = lengths(workload(75, 6, 4096))
    ab.arms(
        baseline=lambda: wasted(in_random_order(of, SIZE, 1), of),
        optimized=lambda: wasted(PLANS[plan](of), of),
    )
    ab.run()
