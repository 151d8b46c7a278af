"""A key-value cache of fixed size instead of one that grows, not compiled. No source promises a gain."""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Padded
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="static_cache",
    title="A key-value cache of fixed size",
    metrics=(
        Metric(
            "throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.15
        ),
    ),
    requires=Requires(extras=("models",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 8])
def test_static_cache(ab, batch):
    model = ab.uses("fixtures/models/entities")
    requests = token_requests(vocabulary(model), [64] * batch, [48])

    def arm(static):
        settings = TransformersSettings(model, Padded(batch), static_cache=static)
        start = partial(transformers, settings, on_cpu=ab.hardware.kind == "host")
        return Arm(lambda engine: answered(engine, requests), prepare=partial(opened, start))

    ab.arms(baseline=arm(static=False), optimized=arm(static=True))
    ab.run()
