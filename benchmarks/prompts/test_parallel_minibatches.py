"""Our optimizer against stock `dspy.GEPA`: equally many metric calls, 20 threads, 27/3 examples.

Ours makes up to 6 proposals side by side, so 18 calls and 6 reflections are open; stock GEPA has 3 and 1.
No proposal is better than its parent: both go through the whole budget. The document knows no such remedy
and promises nothing of it. Goal of our own: a fifth of the time at 50 ms a call (the slow cell).
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Stopping
from harness.prompts.stock.gepa import StockSettings
from harness.prompts.trials.scripted import Scene, our_course, stock_course

OPTIMIZATION = Optimization(
    name="parallel_minibatches",
    title="Our optimizer with minibatches and reflections side by side instead of stock GEPA",
    metrics=(
        Metric("optimization_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("metric_calls", "calls", gate="exact", value=lambda course: course.metric_calls),
        Metric("reflections", "calls", gate="exact", value=lambda course: course.reflections),
        Metric("peak_open", "calls", "higher", value=lambda course: course.peak_open),
        Metric("peak_reflections", "calls", "higher", value=lambda course: course.peak_reflections),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
    role="shipped",
)
THREADS = 20
FULL = pytest.param(392, 6, 0.05, marks=pytest.mark.slow)


@pytest.mark.parametrize(("metric_calls", "proposals", "latency_s"), [(21, 3, 0.005), FULL])
def test_parallel_minibatches(ab, metric_calls, proposals, latency_s):
    scene = Scene(threads=THREADS, latency_s=latency_s, gains=False)
    stock = StockSettings(auto=None, metric_calls=metric_calls, threads=THREADS)
    endless = Stopping(perfect=None, plateau=None, unusable=None)
    ours = Settings(metric_calls, proposals=proposals, stopping=endless)
    ab.arms(baseline=partial(stock_course, scene, stock), optimized=partial(our_course, scene, ours))
    ab.run()
