"""min(examples, 20) threads instead of 20 for one evaluation on a GPU endpoint.

So many clients each wait for an answer before their next request. The document gives no figure for what idle
threads cost: read as at least 5 % of the throughput. What fewer threads cost: benchmarks/serving.
"""

import functools
from math import inf

import pytest

from harness import Arm, Claim, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import THROUGHPUT, answered_by_threads, new_requests
from harness.prompts.rules import get_num_threads
from harness.prompts.trials.minibatches import evaluation_load

OPTIMIZATION = Optimization(
    name="evaluation_threads_on_gpu",
    title="min(examples, 20) threads for an evaluation instead of 20, on a GPU endpoint",
    metrics=(THROUGHPUT,),
    claims=(
        Claim(
            "throughput",
            "prompt-optimizers.md, Dynamic Threads",
            "avoiding wasted thread overhead",
            ratio=(1.05, inf),
        ),
    ),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
)
HARDCODED = 20


@pytest.mark.parametrize("examples", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_evaluation_threads_on_gpu(ab, examples):
    load = evaluation_load(examples)
    sized = get_num_threads(examples, remote=True)

    @functools.cache
    def engine():
        return opened(lambda: serving_engine(ab.model, ab.hardware), kept=1)

    def arm(threads):
        return Arm(lambda it, asked: answered_by_threads(it, asked, threads), prepare=engine)

    def modelled(threads):
        return lambda row: trials.closed_loop(trials.prompt_serving(row), load, threads)

    fresh_ones = new_requests(*load.lengths(), shared_tokens=load.shared_tokens)
    ab.arms(baseline=arm(HARDCODED), optimized=arm(sized), each_round=fresh_ones)
    ab.modelled(modelled(HARDCODED), modelled(sized), trials.version())
    ab.run()
