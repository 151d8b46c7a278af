"""Static batches of long prompts against one request after the other, in transformers.

Prompts of about 1,000 tokens and a short answer: nearly all work is the prompt, which a single request
already spreads over the hardware.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Padded, Sequential
from harness.engines.workloads import answered, token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="static_batching_long",
    title="Long prompts in padded batches instead of one by one",
    metrics=(Metric("requests_per_s", "requests/s", "higher", "paired", work=len, clock="wall", floor=0.2),),
    claims=(
        Claim(
            "requests_per_s",
            "detection-optimization-guide.md, Technique 6",
            "Speedup: 2-4x on short sequences, 1x on long",
            ratio=(0.95, 1.05),
        ),
    ),
    requires=Requires(extras=("models",)),
)
PROMPTS = (940, 980, 1020, 1060)
ANSWER = 2


@pytest.mark.slow
@pytest.mark.parametrize("batch", [2, 4, 8, 16, 32])
def test_static_batching_long(ab, batch):
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
