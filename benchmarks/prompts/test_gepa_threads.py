"""20 threads instead of 4 for stock `dspy.GEPA` itself, on 30 examples (27 to learn from, 3 to choose by).

Of more threads the document promises less time, without a figure: read as at least 5 %. GEPA evaluates
minibatches of 3, so 3 calls are open at most. No proposal is better than its parent here.
"""

from functools import partial
from math import inf

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.prompts.stock.gepa import StockSettings
from harness.prompts.trials.scripted import Scene, stock_course

SECTION = "prompt-optimizers.md, Dynamic Threads"
UP_TO = "can only parallelize up to N calls where N = number of examples"
FASTER = "More examples = better thread utilization = faster wall-clock time"

OPTIMIZATION = Optimization(
    name="gepa_threads",
    title="20 threads instead of 4 for stock GEPA",
    metrics=(
        Metric("optimization_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("metric_calls", "calls", gate="exact", value=lambda course: course.metric_calls),
        Metric("peak_open", "calls", "higher", value=lambda course: course.peak_open),
    ),
    claims=(
        Claim("optimization_time", SECTION, FASTER, ratio=(0, 0.95)),
        Claim("peak_open", SECTION, UP_TO, value=(20, inf)),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize(("metric_calls", "latency_s"), [(9, 0.01), pytest.param(120, 0.02, marks=SLOW)])
def test_gepa_threads(ab, metric_calls, latency_s):
    def arm(threads):
        scene = Scene(threads=threads, latency_s=latency_s, gains=False)
        settings = StockSettings(auto=None, metric_calls=metric_calls, threads=threads)
        return partial(stock_course, scene, settings)

    ab.arms(baseline=arm(4), optimized=arm(20))
    ab.run()
