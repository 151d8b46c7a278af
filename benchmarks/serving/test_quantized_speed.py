"""Q4_K_M instead of f16 weights in llama.cpp: speed at one request and at sixteen."""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.models.gguf.quantize import quantize

OPTIMIZATION = Optimization(
    name="quantized_speed",
    title="Q4_K_M instead of f16 in llama.cpp",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(kind="host", extras=("models",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 16])
def test_quantized_speed(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [32])

    def engine(precision):
        file = quantize(model, precision)
        return LlamaCppEngine(file, parallel=requests, context_tokens=128, prefix_cache=False)

    def arm(precision):
        return Arm(lambda it: answered(it, asked), prepare=partial(opened, partial(engine, precision)))

    ab.arms(baseline=arm("F16"), optimized=arm("Q4_K_M"))
    ab.run()
