"""llama.cpp with f16 weights instead of transformers at its best here: continuous batching, bf16 weights."""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_slots import Slots
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.models.gguf.quantize import quantize

OPTIMIZATION = Optimization(
    name="llama_cpp_against_transformers",
    title="llama.cpp instead of transformers",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(kind="host", extras=("models",)),
)


@pytest.mark.parametrize("requests", [pytest.param(1, marks=pytest.mark.slow), 16])
def test_llama_cpp_against_transformers(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [16])

    def plain():
        return transformers(TransformersSettings(model, Slots(parallel=requests)), on_cpu=True)

    def llama_cpp():
        file = quantize(model, "F16")
        return LlamaCppEngine(file, parallel=requests, context_tokens=128, prefix_cache=False)

    def arm(start):
        return Arm(lambda engine: answered(engine, asked), prepare=partial(opened, start))

    ab.arms(baseline=arm(plain), optimized=arm(llama_cpp))
    ab.run()
