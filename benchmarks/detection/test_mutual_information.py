"""Heads and layers ranked by mutual information with the label instead of by their own area.

The guide adds up a head's and a layer's information because they have the same number, and chooses on the
responses that it reports on; here each is ranked by its own, on training folds.
"""

from harness import Claim, Metric, Optimization, Requires
from harness.detection.detector.combine import PAPER_CHUNK
from harness.detection.detector.selection import information_fit
from harness.detection.trials.detectors import auc_loss, judged, sample_items

OPTIMIZATION = Optimization(
    name="mutual_information",
    title="Heads by mutual information",
    metrics=(
        Metric("auc", "AUC", "higher", "exact", value=lambda found: found.auc),
        Metric("auc_loss", "AUC", gate="bounded", compare=auc_loss, limit=0.02),
    ),
    claims=(
        Claim(
            "auc", "detection-optimization-guide.md, Technique 13", "Expected improvement: +3-7% AUC",
            ratio=(1.03, 1.07),
        ),
    ),
    requires=Requires(kind="host", extras=("models", "detection")),
)  # fmt: skip


def test_mutual_information(ab):
    ab.uses("fixtures/detection/balanced")
    items = sample_items()
    ab.arms(
        baseline=lambda: judged(items),
        optimized=lambda: judged(items, lambda training: information_fit(training, PAPER_CHUNK)),
    )
    ab.run()
