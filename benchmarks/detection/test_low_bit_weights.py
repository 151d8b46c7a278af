"""Weights of 8, 4, 3 and 2 bits instead of NF4: what they do to scores and AUC, on the embedded model.

NF4 is bitsandbytes', the others are simulated: rounded to the nearest code of a group of 128, multiplied in
float32. This measures bits, not kernels; GPTQ picks better codes and needs a GPU library. Speed, and bytes of
Llama-2-7B: test_low_bit_weights_on_gpu.py. `score_shift` is in standard deviations over the responses.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.detection.trials.detectors import auc_loss
from harness.detection.trials.low_bit import score_shift, weighed

OPTIMIZATION = Optimization(
    name="low_bit_weights",
    title="Weights of fewer bits instead of NF4",
    metrics=(
        Metric("auc", "AUC", "higher", "exact", value=lambda it: it.judgement.auc, tolerance=0.005),
        Metric("weight_memory", "bytes", gate="exact", value=lambda it: it.weight_bytes),
        Metric("score_shift", "SD", compare=score_shift),
        Metric(
            "auc_loss",
            "AUC",
            gate="bounded",
            compare=lambda before, after: auc_loss(before.judgement, after.judgement),
            limit=0.03,
        ),
    ),
    claims=(
        Claim(
            "auc_loss", "detection-optimization-guide.md, Technique 1", "Accuracy: ~2-3% loss",
            value=(0.02, 0.03),
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)  # fmt: skip


@pytest.mark.parametrize("bits", [3, *(pytest.param(bits, marks=pytest.mark.slow) for bits in (2, 4, 8))])
def test_low_bit_weights(ab, bits):
    ab.uses("fixtures/models/answers")
    ab.uses("fixtures/detection/balanced")

    def arm(name):
        return Arm(lambda scored: scored, prepare=partial(weighed, name))

    ab.arms(baseline=arm("nf4"), optimized=arm(f"{bits}-bit"))
    ab.run()
