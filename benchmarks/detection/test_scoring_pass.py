"""One pass with fused attention and recomputed rows, against the published structure and a vectorized one.

The published structure (batch 1, all attention maps, a loop over tokens and heads) is where the guide's
figures come from; the vectorized one keeps the maps and drops the loops. Goal of our own: 10 times the first.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.detection.trials.caching import furthest_scores
from harness.detection.trials.passes import OURS, STRAIGHTFORWARD, VECTORIZED, ready, workload

OPTIMIZATION = Optimization(
    name="scoring_pass",
    title="Scores in one fused, batched pass",
    metrics=(
        Metric("samples_per_s", "samples/s", "higher", "paired", work=len, clock="wall", floor=0.2),
        Metric("furthest", "score", gate="bounded", compare=furthest_scores, limit=1e-3),
    ),
    requires=Requires(kind="host", extras=("models",)),
    role="shipped",
)
BEFORE = {"straightforward": STRAIGHTFORWARD, "vectorized": VECTORIZED}
LONG = pytest.param(2048, marks=pytest.mark.slow)


@pytest.mark.parametrize("longest", [256, LONG])
@pytest.mark.parametrize("before", BEFORE)
def test_scoring_pass(ab, before, longest):
    ab.uses("fixtures/models/answers")
    samples = workload(1, 3, longest)

    def arm(scored_by, maps):
        return Arm(lambda it: it.run(scored_by, samples), prepare=partial(ready, maps=maps))

    ab.arms(baseline=arm(BEFORE[before], maps=True), optimized=arm(OURS, maps=False))
    ab.run()
