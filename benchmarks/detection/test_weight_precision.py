"""The published experiment's precisions instead of float32: what each does to scores, AUC and memory.

Measured where the libraries run on a CPU: torch's 16-bit types, and bitsandbytes' NF4 and LLM.int8(). Nothing
is timed: on a CPU all of them are slower than float32. No source promises anything of this axis.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.detection.trials.detectors import auc_loss
from harness.detection.trials.low_bit import score_shift, weighed

OPTIMIZATION = Optimization(
    name="weight_precision",
    title="Scores by 16-bit, 8-bit and NF4 weights instead of float32",
    metrics=(
        Metric("auc", "AUC", "higher", "exact", value=lambda it: it.judgement.auc, tolerance=0.005),
        Metric("weight_memory", "bytes", gate="exact", value=lambda it: it.weight_bytes),
        Metric("score_shift", "SD", compare=score_shift),
        Metric(
            "auc_loss",
            "AUC",
            gate="bounded",
            compare=lambda before, after: auc_loss(before.judgement, after.judgement),
            limit=0.02,
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16", "int8", "nf4"])
def test_weight_precision(ab, precision):
    ab.uses("fixtures/models/answers")
    ab.uses("fixtures/detection/balanced")

    def arm(name):
        return Arm(lambda scored: scored, prepare=partial(weighed, name))

    ab.arms(baseline=arm("float32"), optimized=arm(precision))
    ab.run()
