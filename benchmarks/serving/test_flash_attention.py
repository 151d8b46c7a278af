"""flash_attention_2 instead of eager attention: one pass over a prompt, and the memory it takes.

Needs compute capability 8.0. The guide's "Ampere GPUs or newer (T4 works!)" contradicts itself: a T4 is 7.5.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.memory import peak_growth
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import token_requests, vocabulary

GUIDE = "detection-optimization-guide.md, Technique 3"
OPTIMIZATION = Optimization(
    name="flash_attention",
    title="flash_attention_2 instead of eager attention",
    metrics=(
        Metric("passes_per_s", "passes/s", "higher", "paired", work=lambda _: 1, clock="wall", floor=0.15),
        Metric("activation_memory", "bytes", value=lambda growth: growth),
    ),
    claims=(
        Claim("passes_per_s", GUIDE, "Speed: +30% faster", ratio=(1.3, float("inf"))),
        Claim("activation_memory", GUIDE, "Memory: -20% on attention layers", ratio=(0, 0.8)),
    ),
    requires=Requires(kind="cuda", capability="8.0", extras=("models", "gpu")),
)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [256, 1024, 2048])
def test_flash_attention(ab, tokens):
    model = ab.uses("fixtures/models/entities")
    ids = token_requests(vocabulary(model), [tokens], [1])[0].prompt

    def arm(attention):
        settings = TransformersSettings(model, Sequential(), precision="bfloat16", attention=attention)
        start = partial(transformers, settings, on_cpu=False)
        # reading the card's counters takes no time that would count beside a pass
        return Arm(
            lambda engine: peak_growth(lambda: engine.forward(ids, frozenset()), on_cpu=False)[1],
            prepare=partial(opened, start),
        )

    ab.arms(baseline=arm("eager"), optimized=arm("flash_attention_2"))
    ab.run()
