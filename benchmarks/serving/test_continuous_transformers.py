"""Continuous batching in transformers against one request after the other.

`slots` is this project's, `paged` the library's own (`generate_batch`). No source promises a ratio for
either: the extraction guide (4.5) only says "continuous batching and higher GPU utilization".
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.transformers_paged import Paged
from harness.engines.transformers_slots import Slots
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="continuous_transformers",
    title="Continuous batching in transformers instead of one by one",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(extras=("models",)),
)
BATCHINGS = {"slots": Slots, "paged": Paged}
PROMPTS = (24, 32, 40, 48)
ANSWER = 8
GATE = ("slots", 16)
CELLS = [(name, n) for name in BATCHINGS for n in (1, 2, 4, 8, 16, 32)]


@pytest.mark.parametrize(
    ("batching", "requests"),
    [cell if cell == GATE else pytest.param(*cell, marks=pytest.mark.slow) for cell in CELLS],
)
def test_continuous_transformers(ab, batching, requests):
    model = ab.uses("fixtures/models/entities")
    on_cpu = ab.hardware.kind == "host"
    asked = token_requests(vocabulary(model), [PROMPTS[i % len(PROMPTS)] for i in range(requests)], [ANSWER])

    def work(engine):
        return answered(engine, asked)

    def arm(batching):
        start = partial(transformers, TransformersSettings(model, batching), on_cpu=on_cpu)
        return Arm(work, prepare=partial(opened, start))

    ab.arms(baseline=arm(Sequential()), optimized=arm(BATCHINGS[batching](parallel=requests)))
    ab.modelled(
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.one_by_one, model)),
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.shared, model, parallel=requests)),
        trials.version(),
    )
    ab.run()
