"""Every window asked for every field once, instead of every group asked of its windows.

Nothing adapts in the optimized arm: it reads all of the text whatever was found, the bundle size decides the
calls. Calls and tokens are counted here; `harness corpus trial --row` models the time on GPU rows.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.pipeline.settings import Settings
from harness.extraction.trials.companies import coverage_lost, documented, ours

OPTIMIZATION = Optimization(
    name="window_major",
    title="Window by window instead of group by group",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.02),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("bundle", [72, pytest.param(36, marks=pytest.mark.slow), 18])
def test_window_major(ab, bundle):
    settings = Settings(budget_calls=None, bundle_fields=bundle, adaptive=False)
    ab.arms(baseline=partial(documented, PRESETS["unlimited"]), optimized=partial(ours, settings))
    ab.run()
