"""Static batches of short prompts against one request after the other, in transformers.

The guide measured a single forward pass per sample; here each request makes tokens too. Prompts have 24 to
48 tokens, so batches are padded as real ones are.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Padded, Sequential
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="static_batching_short",
    title="Short prompts in padded batches instead of one by one",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    claims=(
        Claim(
            "throughput",
            "detection-optimization-guide.md, Technique 6",
            "Speedup: 2-4x on short sequences, 1x on long",
            ratio=(2, 4),
        ),
    ),
    requires=Requires(extras=("models",)),
)
SLOW = pytest.mark.slow
PROMPTS = (24, 32, 40, 48)
ANSWER = 8


@pytest.mark.parametrize("batch", [*(pytest.param(n, marks=SLOW) for n in (2, 4, 16, 32)), 8])
def test_static_batching_short(ab, batch):
    model = ab.uses("fixtures/models/entities")
    on_cpu = ab.hardware.kind == "host"
    requests = token_requests(vocabulary(model), [PROMPTS[i % len(PROMPTS)] for i in range(batch)], [ANSWER])

    def work(engine):
        return answered(engine, requests)

    def arm(batching):
        start = partial(transformers, TransformersSettings(model, batching), on_cpu=on_cpu)
        return Arm(work, prepare=partial(opened, start))

    ab.arms(baseline=arm(Sequential()), optimized=arm(Padded(batch)))
    ab.modelled(
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.one_by_one, model)),
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.padded, model, parallel=batch)),
        trials.version(),
    )
    ab.run()
