"""Answers kept and used again instead of asked for anew, in our optimizer on some or all of the light budget.

`first`: an empty cache, which only answers what one run asks twice; `again`: the same run a second time. The
document has the switch (--no-cache) and promises nothing. Cached or not, the outcome has to be the same.
"""

from functools import partial
from tempfile import TemporaryDirectory

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.opening import opened
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Stopping
from harness.prompts.trials.scripted import Scene, new_cache_course, other_outcome, our_course

OPTIMIZATION = Optimization(
    name="response_cache",
    title="Answers kept and used again",
    metrics=(
        Metric("engine_calls", "calls", gate="exact", value=lambda it: it.calls + it.reflections),
        Metric("tokens", "tokens", gate="exact", value=lambda course: course.tokens),
        Metric("optimization_time", "s", gate="paired", clock="wall", floor=0.25),
        Metric("other_outcome", "runs", gate="bounded", compare=other_outcome, limit=0),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
    role="shipped",
)
FULL = [pytest.param(run, 392, 0.02, marks=pytest.mark.slow) for run in ("first", "again")]


@pytest.mark.parametrize(("run", "metric_calls", "latency_s"), [("again", 60, 0.002), *FULL])
def test_response_cache(ab, run, metric_calls, latency_s):
    scene = Scene(threads=20, latency_s=latency_s)
    settings = Settings(metric_calls, stopping=Stopping(perfect=None, plateau=None, unusable=None))

    def filled():
        folder = opened(TemporaryDirectory)
        our_course(scene, settings, cache=folder)
        return folder

    cached = Arm(lambda folder: our_course(scene, settings, cache=folder), prepare=filled)
    ab.arms(
        baseline=partial(our_course, scene, settings),
        optimized=cached if run == "again" else partial(new_cache_course, scene, settings),
    )
    ab.run()
