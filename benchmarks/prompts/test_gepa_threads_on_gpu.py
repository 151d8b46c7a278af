"""20 threads instead of 4 for stock GEPA's evaluations on a GPU endpoint.

Stock GEPA sends a minibatch of 3 and waits for it, whatever its threads; so do both arms here. Of more
threads the document promises less time, without a figure: read as at least 5 % more throughput.
"""

import functools
from math import inf

from harness import Arm, Claim, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import THROUGHPUT, fresh
from harness.prompts.trials.minibatches import answered_together, minibatch_requests, modelled_together

SECTION = "prompt-optimizers.md, Dynamic Threads"
FASTER = "More examples = better thread utilization = faster wall-clock time"

OPTIMIZATION = Optimization(
    name="gepa_threads_on_gpu",
    title="20 threads instead of 4 for stock GEPA, on a GPU endpoint",
    metrics=(THROUGHPUT,),
    claims=(Claim("throughput", SECTION, FASTER, ratio=(1.05, inf)),),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
)


def test_gepa_threads_on_gpu(ab):
    @functools.cache
    def engine():
        return opened(lambda: serving_engine(ab.model, ab.hardware), kept=1)

    def arm(threads):
        return Arm(lambda it, asked: answered_together(it, asked, threads, 1), prepare=engine)

    def modelled(threads):
        return lambda row: modelled_together(trials.prompt_serving(row), threads, 1)

    ab.arms(baseline=arm(4), optimized=arm(20), each_round=fresh(minibatch_requests))
    ab.modelled(modelled(4), modelled(20), trials.version())
    ab.run()
