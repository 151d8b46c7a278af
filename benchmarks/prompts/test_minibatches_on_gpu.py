"""Six minibatches at a time instead of one, on a GPU endpoint with 20 threads: ours against stock GEPA.

The 384 evaluations of a light run; reflections are not in it, another model makes them. The document
promises nothing of it. test_parallel_minibatches.py measures whole runs, on scripted models.
"""

import functools

from harness import Arm, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import THROUGHPUT, fresh
from harness.prompts.trials.minibatches import answered_together, minibatch_requests, modelled_together

OPTIMIZATION = Optimization(
    name="minibatches_on_gpu",
    title="Six minibatches at a time instead of one, on a GPU endpoint",
    metrics=(THROUGHPUT,),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
    role="shipped",
)
THREADS = 20


def test_minibatches_on_gpu(ab):
    @functools.cache
    def engine():
        return opened(lambda: serving_engine(ab.model, ab.hardware), kept=1)

    def arm(minibatches):
        return Arm(lambda it, asked: answered_together(it, asked, THREADS, minibatches), prepare=engine)

    def modelled(minibatches):
        return lambda row: modelled_together(trials.prompt_serving(row), THREADS, minibatches)

    ab.arms(baseline=arm(1), optimized=arm(6), each_round=fresh(minibatch_requests))
    ab.modelled(modelled(1), modelled(6), trials.version())
    ab.run()
