"""Two to four extraction prompts in one padded batch, as the extraction guide has it.

Prompts of an extraction call (about 400 tokens) with an answer of a few fields; the guide speaks of the
throughput of a GPU, so its claim is judged on GPU rows only.
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

GPU_ROWS = (
    "t4", "t4x2", "l4", "a10g", "l40s", "v100", "rtx4090", "a100_20gb", "a100_40gb", "a100_80gb",
    "h100", "h200",
)  # fmt: skip
OPTIMIZATION = Optimization(
    name="static_batching_pairs",
    title="Two to four extraction prompts in one batch",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    claims=(
        Claim(
            "throughput",
            "extraction-speed-guide.md, 4.1",
            "Batch 2–4 independent prompts ... This can give ~1.5–2× GPU throughput if memory allows",
            ratio=(1.5, 2),
            rows=GPU_ROWS,
        ),
    ),
    requires=Requires(extras=("models",)),
)
PROMPTS = (380, 420, 400, 360)
ANSWER = 24


@pytest.mark.slow
@pytest.mark.parametrize("batch", [2, 3, 4])
def test_static_batching_pairs(ab, batch):
    model = ab.uses("fixtures/models/entities")
    on_cpu = ab.hardware.kind == "host"
    requests = token_requests(vocabulary(model), PROMPTS[:batch], [ANSWER])

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
