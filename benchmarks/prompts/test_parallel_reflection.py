"""The reflections of an iteration side by side instead of one after the other, in our optimizer.

Up to six proposals in an iteration; a reflection takes four times as long as a task call. Both arms end at
the same candidates after the same calls. The document does not speak of reflection; stock GEPA's is serial.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Stopping
from harness.prompts.trials.scripted import Scene, other_outcome, our_course

OPTIMIZATION = Optimization(
    name="parallel_reflection",
    title="Reflections side by side instead of one by one",
    metrics=(
        Metric("optimization_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("reflections", "calls", gate="exact", value=lambda course: course.reflections),
        Metric("peak_reflections", "calls", "higher", value=lambda course: course.peak_reflections),
        Metric("other_outcome", "runs", gate="bounded", compare=other_outcome, limit=0),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
    role="shipped",
)
THREADS = 20
FULL = pytest.param(392, 6, 0.01, marks=pytest.mark.slow)


@pytest.mark.parametrize(("metric_calls", "proposals", "latency_s"), [(21, 3, 0.005), FULL])
def test_parallel_reflection(ab, metric_calls, proposals, latency_s):
    endless = Stopping(perfect=None, plateau=None, unusable=None)
    settings = Settings(metric_calls, proposals=proposals, stopping=endless)

    def arm(at_once):
        scene = Scene(
            threads=THREADS,
            latency_s=latency_s,
            reflection_s=4 * latency_s,
            reflection_threads=at_once,
            gains=False,
        )
        return partial(our_course, scene, settings)

    ab.arms(baseline=arm(1), optimized=arm(proposals))
    ab.run()
