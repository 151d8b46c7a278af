"""Five detectors of random halves of heads and layers, averaged or voting, instead of one of all.

The guide's own members are identical where heads are fewer than it draws, and its mean over everything gives
one number for a whole batch; these average over members alone.
"""

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.detection.detector.combine import PAPER_CHUNK
from harness.detection.detector.selection import random_heads_ensemble
from harness.detection.trials.detectors import auc_loss, judged, judged_ensemble, sample_items

OPTIMIZATION = Optimization(
    name="ensembles",
    title="An ensemble of detectors instead of one",
    metrics=(
        Metric("auc", "AUC", "higher", "exact", value=lambda found: found.auc),
        Metric("auc_loss", "AUC", gate="bounded", compare=auc_loss, limit=0.02),
    ),
    claims=(
        Claim(
            "auc", "detection-optimization-guide.md, Technique 12", "Expected improvement: +2-5% AUC",
            ratio=(1.02, 1.05),
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)  # fmt: skip


@pytest.mark.parametrize("vote", [False, True], ids=["averaged", "voting"])
def test_ensembles(ab, vote):
    ab.uses("fixtures/detection/balanced")
    items = sample_items()

    def ensemble():
        return judged_ensemble(items, lambda it: random_heads_ensemble(it, PAPER_CHUNK), vote=vote)

    ab.arms(baseline=lambda: judged(items), optimized=ensemble)
    ab.run()
