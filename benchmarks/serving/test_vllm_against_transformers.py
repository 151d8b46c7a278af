"""vLLM with a batch of prompts against plain transformers, one prompt after the other.

Needs a GPU: the guide's figure is about one, and vLLM's official package runs on nothing else.
"""

from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines import vllm
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.vllm_settings import settings_for_row
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary

OPTIMIZATION = Optimization(
    name="vllm_against_transformers",
    title="vLLM instead of plain transformers",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    claims=(
        Claim(
            "throughput",
            "detection-optimization-guide.md, Technique 15",
            "Batch inference (much faster) ... Speedup: 5-10x vs vanilla transformers",
            ratio=(5, 10),
        ),
    ),
    requires=Requires(kind="cuda", extras=("models", "gpu")),
)

CONTEXT = 256


@pytest.mark.slow
@pytest.mark.parametrize("requests", [2, 4, 8, 16, 32])
def test_vllm_against_transformers(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [32])
    # the row is documented for other weights and a longer context; the other arm's model needs room beside
    # it; the same prompts come again in every round, where a prefix cache would answer from the one before
    settings = replace(
        settings_for_row(str(model), ab.hardware),
        quantization="",
        max_model_len=CONTEXT,
        gpu_memory_utilization=0.5,
        prefix_caching=False,
    )

    def work(engine):
        return answered(engine, asked)

    plain = partial(transformers, TransformersSettings(model, Sequential()), on_cpu=False)
    ab.arms(
        # kept=1 ends the cell before, whose vLLM holds its share of the card
        baseline=Arm(work, prepare=partial(opened, plain, kept=1)),
        optimized=Arm(work, prepare=lambda: opened(lambda: closing(vllm.load(settings)))),
    )
    ab.modelled(
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.one_by_one, model)),
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.vllm, model)),
        trials.version(),
    )
    ab.run()
