"""Gradient checkpointing in a pass that has no gradients: nothing is stored, so there is nothing to save.

The library asks whether the model is in training before it checkpoints anything. The guide promises 30 % less
memory for 20 % less speed; an effect inside the floor, both ways, is what there is to see.
"""

from functools import partial

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.detection.data.shipped import MODEL
from harness.detection.trials.checkpointing import furthest, last_logits, loaded
from harness.detection.trials.detectors import sample_tokens

SECTION = "detection-optimization-guide.md, Technique 2"
OPTIMIZATION = Optimization(
    name="gradient_checkpointing",
    title="Gradient checkpointing at inference",
    metrics=(
        Metric("pass_time", "s", gate="paired", clock="wall", floor=0.1),
        Metric("peak_memory", "bytes", gate="report", probe="peak_rss"),
        Metric("furthest", "logit", gate="bounded", compare=furthest, limit=0.0),
    ),
    claims=(
        Claim("pass_time", SECTION, "Speed: -20%", ratio=(1.15, 1.3)),
        Claim("peak_memory", SECTION, "Memory: -30%", ratio=(0.0, 0.75)),
    ),
    requires=Requires(kind="host", extras=("models",)),
)


def test_gradient_checkpointing(ab):
    ab.uses("fixtures/models/answers")
    samples = sample_tokens()[:12]

    def arm(checkpointing):
        prepare = partial(loaded, MODEL, checkpointing=checkpointing)
        return Arm(lambda model: last_logits(model, samples), prepare=prepare)

    ab.arms(baseline=arm(False), optimized=arm(True))
    ab.run()
