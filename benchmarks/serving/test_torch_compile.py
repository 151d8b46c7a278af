"""Decoding through torch.compile, on the static cache that keeps its shapes.

The compilation happens in the set-up, whose time is reported apart ("First run takes 5-10 minutes"). The
guide's mode "reduce-overhead" means CUDA graphs, which a CPU has not.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="torch_compile",
    title="Decode through torch.compile",
    metrics=(
        Metric(
            "throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.15
        ),
    ),
    claims=(
        Claim(
            "throughput",
            "detection-optimization-guide.md, Technique 7",
            "Speedup: 10-30% after compilation",
            ratio=(1.1, 1.3),
        ),
    ),
    requires=Requires(extras=("models",)),
)


@pytest.mark.slow
def test_torch_compile(ab):
    model = ab.uses("fixtures/models/entities")
    requests = token_requests(vocabulary(model), [64], [48])

    def work(engine):
        return answered(engine, requests)

    def warm(settings):
        engine = opened(partial(transformers, settings, on_cpu=ab.hardware.kind == "host"))
        answered(engine, requests)
        return engine

    def arm(compiled):
        settings = TransformersSettings(model, Sequential(), static_cache=True, compile=compiled)
        return Arm(work, prepare=partial(warm, settings))

    ab.arms(baseline=arm(compiled=False), optimized=arm(compiled=True))
    ab.modelled(
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.one_by_one, model)),
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.compiled, model)),
        trials.version(),
    )
    ab.run()
