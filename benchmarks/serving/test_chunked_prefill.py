"""Long prompts cut into what a step has left, instead of waiting until they fit whole.

prompt-optimizers.md switches it on (--enable-chunked-prefill) and promises nothing; with its 16,384 tokens
a step nearly every prompt fits anyway. Both engines share the card, each gets 45 % of its memory.
"""

from dataclasses import replace

import pytest

from harness import Arm, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import (
    BETWEEN_TOKENS,
    FIRST_TOKEN,
    THROUGHPUT,
    answered_by_threads,
    new_requests,
)

LOAD, THREADS, SHARE = trials.LONG_PROMPTS, 32, {"gpu_memory_utilization": 0.45}

OPTIMIZATION = Optimization(
    name="chunked_prefill",
    title="Cut long prompts into chunks",
    metrics=(THROUGHPUT, FIRST_TOKEN, BETWEEN_TOKENS),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
)


@pytest.mark.slow
@pytest.mark.parametrize("step_tokens", [4096, 16384])
def test_chunked_prefill(ab, step_tokens):
    def arm(chunked):
        settings = {"chunked_prefill": chunked, "max_num_batched_tokens": step_tokens, **SHARE}
        return Arm(
            lambda it, requests: answered_by_threads(it, requests, THREADS),
            prepare=lambda: opened(lambda: serving_engine(ab.model, ab.hardware, **settings)),
        )

    def modelled(chunked):
        settings = {"chunked_prefill": chunked, "max_batched_tokens": step_tokens, **SHARE}
        return lambda row: trials.closed_loop(replace(trials.prompt_serving(row), **settings), LOAD, THREADS)

    asked = new_requests(*LOAD.lengths())
    ab.arms(baseline=arm(chunked=False), optimized=arm(chunked=True), each_round=asked)
    ab.modelled(modelled(chunked=False), modelled(chunked=True), trials.version())
    ab.run()
