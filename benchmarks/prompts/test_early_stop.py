"""Stop at a perfect validation score, or after 30 proposals without a better one, instead of at the budget.

Our optimizer on the light budget of 30 examples. `perfect`: every reflection adds an entity type, so that the
score becomes 1; `plateau`: no proposal is better than its parent. The document's rule, that light mode goes
through its whole budget, is the baseline; it promises nothing of stopping. With 20 threads 6 proposals are
made side by side, with 1 one after the other.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.prompts.optimize.budget import auto_metric_calls
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import DEFAULT_STOPPING, Stopping
from harness.prompts.trials.scripted import Scene, our_course, validation_loss

OPTIMIZATION = Optimization(
    name="early_stop",
    title="Stop at a perfect score or on a plateau",
    metrics=(
        Metric("metric_calls", "calls", gate="exact", value=lambda course: course.metric_calls),
        Metric("reflections", "calls", gate="exact", value=lambda course: course.reflections),
        Metric("tokens", "tokens", gate="exact", value=lambda course: course.tokens),
        Metric("validation_f1_loss", "ratio", gate="bounded", compare=validation_loss, limit=0),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
    role="shipped",
)
BUDGET, ENDLESS = auto_metric_calls("light", 3), Stopping(perfect=None, plateau=None, unusable=None)


@pytest.mark.parametrize("threads", [20, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", ["perfect", "plateau"])
def test_early_stop(ab, ending, threads):
    scene = Scene(threads=threads, gains=ending == "perfect")

    def arm(stopping):
        return partial(our_course, scene, Settings(BUDGET, stopping=stopping))

    ab.arms(baseline=arm(ENDLESS), optimized=arm(DEFAULT_STOPPING))
    ab.run()
