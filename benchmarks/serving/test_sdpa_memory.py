"""What eager and fused attention (sdpa) take in memory while a prompt passes, weights left out."""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.memory import peak_growth
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="sdpa_memory",
    title="Memory of fused attention (sdpa) instead of eager",
    metrics=(Metric("activation_memory", "bytes", value=lambda growth: growth, floor=0.1),),
    claims=(
        Claim(
            "activation_memory",
            "detection-optimization-guide.md, Technique 3",
            "Memory: -20% on attention layers",
            ratio=(0, 0.8),
        ),
    ),
    requires=Requires(extras=("models",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [256, 1024, 2048])
def test_sdpa_memory(ab, tokens):
    model = ab.uses("fixtures/models/entities")
    on_cpu = ab.hardware.kind == "host"
    ids = token_requests(vocabulary(model), [tokens], [1])[0].prompt

    def arm(attention):
        settings = TransformersSettings(model, Sequential(), attention=attention)
        start = partial(transformers, settings, on_cpu=on_cpu)
        return Arm(
            lambda engine: peak_growth(lambda: engine.forward(ids, frozenset()), on_cpu=on_cpu)[1],
            prepare=partial(opened, start),
        )

    ab.arms(baseline=arm("eager"), optimized=arm("sdpa"))
    ab.run()
