"""One client thread against several, on every GPU: how far a prompt optimizer's evaluations speed up.

The curve behind the documented thread counts (`test_documented_threads.py`); nothing is promised here.
"""

import functools

import pytest

from harness import Arm, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import FIRST_TOKEN, THROUGHPUT, answered_by_threads, new_requests

LOAD = trials.GEPA_EVALUATIONS

OPTIMIZATION = Optimization(
    name="thread_counts",
    title="Several client threads instead of one",
    metrics=(THROUGHPUT, FIRST_TOKEN),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [3, 10, 15, 20, 30, 40, 50, 64])
def test_thread_counts(ab, threads):
    @functools.cache
    def engine():
        return opened(lambda: serving_engine(ab.model, ab.hardware), kept=1)

    def arm(count):
        return Arm(lambda it, requests: answered_by_threads(it, requests, count), prepare=engine)

    def modelled(count):
        return lambda row: trials.closed_loop(trials.prompt_serving(row), LOAD, count)

    ab.arms(
        baseline=arm(1),
        optimized=arm(threads),
        each_round=new_requests(*LOAD.lengths(), shared_tokens=LOAD.shared_tokens),
    )
    ab.modelled(modelled(1), modelled(threads), trials.version())
    ab.run()
