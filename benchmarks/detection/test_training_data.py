"""All training responses instead of a quarter of them: what more labelled data bring the detector."""

from harness import Metric, Optimization, Requires
from harness.detection.trials.detectors import auc_loss, fewer, judged, sample_items

OPTIMIZATION = Optimization(
    name="training_data",
    title="Four times the training responses",
    metrics=(
        Metric("auc", "AUC", "higher", "exact", value=lambda found: found.auc),
        Metric("auc_loss", "AUC", gate="bounded", compare=auc_loss, limit=0.02),
    ),
    requires=Requires(kind="host", extras=("models",)),
)


def test_training_data(ab):
    ab.uses("fixtures/detection/balanced")
    items = sample_items()
    ab.arms(baseline=lambda: judged(items, fewer(items, 0.25)), optimized=lambda: judged(items))
    ab.run()
