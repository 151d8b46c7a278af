"""torch's fused attention (sdpa) instead of the written-out one (eager): one pass over a prompt.

The guide means flash_attention_2 (test_flash_attention.py); sdpa is what it falls back to on older cards and
on CPUs. `divergence` is the total variation distance between the next-token distributions, per position; in
float32, where a difference is one of the method: two right ones in bfloat16 differ by its rounding.
"""

from functools import partial

import numpy as np
import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import token_requests, vocabulary


def divergence(eager, sdpa):
    first, second = (
        np.exp(it.logits - np.logaddexp.reduce(it.logits, axis=1)[:, None]) for it in (eager, sdpa)
    )
    return 0.5 * np.abs(first - second).sum(axis=1)


GUIDE = "detection-optimization-guide.md, Technique 3"
LIMIT = 0.001
OPTIMIZATION = Optimization(
    name="sdpa_attention",
    title="Fused attention (sdpa), what flash_attention_2 falls back to, instead of eager",
    metrics=(
        Metric("passes_per_s", "passes/s", "higher", "paired", work=lambda _: 1, clock="wall", floor=0.15),
        Metric("divergence", "probability", gate="bounded", compare=divergence, limit=LIMIT),
    ),
    claims=(
        Claim("passes_per_s", GUIDE, "Speed: +30% faster", ratio=(1.3, float("inf"))),
        Claim("divergence", GUIDE, "Accuracy: No change", value=(0, LIMIT)),
    ),
    requires=Requires(extras=("models",)),
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize("tokens", [pytest.param(256, marks=SLOW), 1024, pytest.param(2048, marks=SLOW)])
def test_sdpa_attention(ab, tokens):
    model = ab.uses("fixtures/models/entities")
    ids = token_requests(vocabulary(model), [tokens], [1])[0].prompt

    def arm(attention):
        settings = TransformersSettings(model, Sequential(), precision="float32", attention=attention)
        start = partial(transformers, settings, on_cpu=ab.hardware.kind == "host")
        return Arm(lambda it: it.forward(ids, frozenset({"logits"})), prepare=partial(opened, start))

    ab.arms(baseline=arm("eager"), optimized=arm("sdpa"))
    ab.run()
