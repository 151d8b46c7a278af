"""llama.cpp's own server (in xllamacpp) instead of this project's batching over llama-cpp-python.

The same f16 file; the server's answers come over HTTP.
"""

import os
from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened, served
from harness.engines.server_kinds import ServerSpec
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.models.gguf.quantize import quantize

OPTIMIZATION = Optimization(
    name="xllamacpp_server",
    title="llama.cpp's own server instead of llama-cpp-python",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(kind="host", extras=("models", "server")),
)
CONTEXT = 256


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 16])
def test_xllamacpp_server(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [32])

    def binding():
        file = quantize(model, "F16")
        return LlamaCppEngine(file, parallel=requests, context_tokens=CONTEXT, prefix_cache=False)

    def server():
        file = quantize(model, "F16")
        # all cores, as the other arm takes them
        threads = os.cpu_count() or 1
        return served(
            ServerSpec(file, parallel=requests, context=CONTEXT, prefix_cache=False, threads=threads)
        )

    def arm(start):
        return Arm(lambda engine: answered(engine, asked), prepare=partial(opened, start))

    ab.arms(baseline=arm(binding), optimized=arm(server))
    ab.run()
