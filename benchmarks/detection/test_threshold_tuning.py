"""The threshold of the best F1 in training instead of the middle of the scores' range.

The guide lists it among what raises the AUC, which no threshold can, and tunes it on what it reports.
"""

from harness import Claim, Metric, Optimization, Requires
from harness.detection.trials.detectors import called_at_half, called_wrong, judged, sample_items

OPTIMIZATION = Optimization(
    name="threshold_tuning",
    title="A tuned threshold instead of one half",
    metrics=(
        Metric("f1", "F1", "higher", "exact", value=lambda found: found.f1),
        Metric("auc", "AUC", "higher", "exact", value=lambda found: found.auc),
        Metric("called_wrong", "share", gate="bounded", compare=called_wrong, limit=0.02),
    ),
    claims=(
        Claim(
            "f1", "detection-optimization-guide.md, Technique 14", "Expected improvement: +5-10% F1 score",
            ratio=(1.05, 1.10),
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)  # fmt: skip


def test_threshold_tuning(ab):
    ab.uses("fixtures/detection/balanced")
    items = sample_items()
    ab.arms(baseline=lambda: called_at_half(items), optimized=lambda: judged(items))
    ab.run()
