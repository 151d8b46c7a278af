"""The documented number of client threads instead of 64, as many as the engine takes sequences.

The document gives counts and no figures: read as "fewer threads lose nothing", within 5 %. For an L4 it
names the reason, room for about 21 sequences of 4,096 tokens; `trials.GEPA_EVALUATIONS` are shorter.
"""

import functools
from math import inf

from harness import Arm, Claim, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import FIRST_TOKEN, THROUGHPUT, answered_by_threads, new_requests

SETUP, NOTHING = "prompt-optimizers.md, Remote Setup", (0.95, inf)
LOAD, MOST = trials.GEPA_EVALUATIONS, 64

OPTIMIZATION = Optimization(
    name="documented_threads",
    title="The documented number of client threads instead of 64",
    metrics=(THROUGHPUT, FIRST_TOKEN),
    claims=(
        Claim(
            "throughput", SETUP, "L4 GPU: 10-15 threads (has ~21x concurrency limit)", NOTHING, rows=("l4",)
        ),
        Claim("throughput", SETUP, "A10G: 20-30 threads", NOTHING, rows=("a10g",)),
        Claim("throughput", SETUP, "L40s: 40-50 threads", NOTHING, rows=("l40s",)),
    ),
    requires=Requires(rows=("l4", "a10g", "l40s"), extras=("gpu",), model="prompts_optimize"),
)


def test_documented_threads(ab):
    documented = max(ab.hardware.serving["threads_range"])

    @functools.cache
    def engine():
        return opened(lambda: serving_engine(ab.model, ab.hardware), kept=1)

    def arm(threads):
        return Arm(lambda it, requests: answered_by_threads(it, requests, threads), prepare=engine)

    def modelled(threads):
        return lambda row: trials.closed_loop(trials.prompt_serving(row), LOAD, threads)

    ab.arms(
        baseline=arm(MOST),
        optimized=arm(documented),
        each_round=new_requests(*LOAD.lengths(), shared_tokens=LOAD.shared_tokens),
    )
    ab.modelled(modelled(MOST), modelled(documented), trials.version())
    ab.run()
