"""vLLM's prefix cache off and on, for evaluations that share an instruction of 600 tokens.

prompt-optimizers.md switches it on (--enable-prefix-caching) and promises no ratio. Both engines share the
card, each gets 45 % of its memory. `test_prefix_caching.py` measures the same idea on a CPU.
"""

from dataclasses import replace

import pytest

from harness import Arm, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import FIRST_TOKEN, THROUGHPUT, answered_by_threads, new_requests

LOAD, THREADS, SHARE = trials.GEPA_EVALUATIONS, 20, 0.45

OPTIMIZATION = Optimization(
    name="shared_instruction",
    title="Keep the states of the instruction that all requests share",
    metrics=(THROUGHPUT, FIRST_TOKEN),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
)


@pytest.mark.slow
def test_shared_instruction(ab):
    def arm(caching):
        settings = {"prefix_caching": caching, "gpu_memory_utilization": SHARE}
        return Arm(
            lambda it, requests: answered_by_threads(it, requests, THREADS),
            prepare=lambda: opened(lambda: serving_engine(ab.model, ab.hardware, **settings)),
        )

    def modelled(caching):
        settings = {"prefix_caching": caching, "gpu_memory_utilization": SHARE}
        return lambda row: trials.closed_loop(replace(trials.prompt_serving(row), **settings), LOAD, THREADS)

    ab.arms(
        baseline=arm(caching=False),
        optimized=arm(caching=True),
        each_round=new_requests(*LOAD.lengths(), shared_tokens=LOAD.shared_tokens),
    )
    ab.modelled(modelled(caching=False), modelled(caching=True), trials.version())
    ab.run()
