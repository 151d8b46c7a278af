"""min(examples, 20) threads instead of 20 for one `dspy.Evaluate`.

The document gives no figure for what idle threads cost: read as at least 5 % of the time, and as fewer
threads. The scripted model answers a call in 20 ms, so that only threads and waiting are compared. A pool
starts a thread for a call that finds none free: how many depends on the machine, so it is not gated.
"""

from functools import partial

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.prompts.rules import get_num_threads
from harness.prompts.trials.scripted import Scene
from harness.prompts.trials.stock_evaluation import stock_evaluation

SECTION = "prompt-optimizers.md, Dynamic Threads"
IDLE = "With 3 examples and 20 threads, 17 threads sit idle waiting"

OPTIMIZATION = Optimization(
    name="evaluation_threads",
    title="min(examples, 20) threads for an evaluation instead of 20",
    metrics=(
        Metric("evaluation_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("threads_started", "threads", value=lambda it: it.pool_threads),
        Metric("idle_threads", "threads", value=lambda it: it.idle_threads),
        Metric("peak_open", "calls", "higher", value=lambda it: it.peak_open),
    ),
    claims=(
        Claim("evaluation_time", SECTION, "avoiding wasted thread overhead", ratio=(0, 0.95)),
        Claim("threads_started", SECTION, IDLE, ratio=(0, 0.95)),
        Claim("idle_threads", SECTION, "min(num_examples, 20) for remote", value=(0, 0)),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
)
LATENCY_S, HARDCODED = 0.02, 20


@pytest.mark.parametrize("examples", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_evaluation_threads(ab, examples):
    scene = Scene(threads=HARDCODED, latency_s=LATENCY_S)
    sized = get_num_threads(examples, remote=True)
    ab.arms(
        baseline=partial(stock_evaluation, scene, HARDCODED, examples=examples),
        optimized=partial(stock_evaluation, scene, sized, examples=examples),
    )
    ab.run()
