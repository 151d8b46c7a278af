"""Requests sent to vLLM all at once against one after the other: the same engine in both arms, on a GPU."""

import functools
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines import vllm
from harness.engines.opening import opened
from harness.engines.vllm_settings import settings_for_row
from harness.engines.workloads import (
    answered,
    answered_in_turn,
    completion_tokens,
    token_requests,
    vocabulary,
)

OPTIMIZATION = Optimization(
    name="continuous_vllm",
    title="Requests to vLLM all at once instead of one after the other",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(kind="cuda", extras=("gpu",)),
)

CONTEXT = 256


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 2, 4, 8, 16, 32])
def test_continuous_vllm(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [32])

    # the row is documented for other weights and a longer context; the same prompts come again in every
    # round, where a prefix cache would answer from the round before
    settings = replace(
        settings_for_row(str(model), ab.hardware),
        quantization="",
        max_model_len=CONTEXT,
        prefix_caching=False,
    )

    @functools.cache
    def engine():
        return opened(lambda: closing(vllm.load(settings)), kept=1)

    ab.arms(
        baseline=Arm(lambda it: answered_in_turn(it, asked), prepare=engine),
        optimized=Arm(lambda it: answered(it, asked), prepare=engine),
    )
    ab.modelled(
        on_cost_model(
            OPTIMIZATION.metrics, lambda it: answered_in_turn(it, asked), partial(checkpoints.vllm, model)
        ),
        on_cost_model(OPTIMIZATION.metrics, lambda it: answered(it, asked), partial(checkpoints.vllm, model)),
        trials.version(),
    )
    ab.run()
