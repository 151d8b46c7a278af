"""Continuous batching in llama.cpp against one request after the other, on the same f16 file."""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.models.gguf.quantize import quantize

OPTIMIZATION = Optimization(
    name="continuous_llama_cpp",
    title="Continuous batching in llama.cpp instead of one by one",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(kind="host", extras=("models",)),
)
SLOW = pytest.mark.slow
PROMPTS = (24, 32, 40, 48)
ANSWER = 16
CONTEXT = 128


@pytest.mark.parametrize("requests", [*(pytest.param(n, marks=SLOW) for n in (1, 2, 4, 8, 32)), 16])
def test_continuous_llama_cpp(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [PROMPTS[i % len(PROMPTS)] for i in range(requests)], [ANSWER])

    def engine(parallel):
        # the same prompts come again in every round: a prefix cache would answer from the round before
        file = quantize(model, "F16")
        return LlamaCppEngine(file, parallel=parallel, context_tokens=CONTEXT, prefix_cache=False)

    def arm(parallel):
        return Arm(lambda it: answered(it, asked), prepare=partial(opened, partial(engine, parallel)))

    ab.arms(baseline=arm(1), optimized=arm(requests))
    ab.run()
