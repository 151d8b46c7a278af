"""How much text one ask shows, for as many calls, by readers that err more or less in long prompts.

A reader without errors gains by seeing much at once; the one fitted to the embedded model reads most things
wrong in 6,000 tokens, as far as its errors can be extrapolated to so many.
"""

from dataclasses import replace
from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.pipeline.settings import Settings
from harness.extraction.trials.companies import Setting, ours

OPTIMIZATION = Optimization(
    name="window_size",
    title="Less text in an ask",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("false_fills", "share", "lower", "exact", value=lambda it: it.false_fills),
    ),
    requires=Requires(kind="host"),
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize("window", [1000, *(pytest.param(size, marks=SLOW) for size in (2000, 3000))])
@pytest.mark.parametrize(
    "reader", ["perfect", *(pytest.param(name, marks=SLOW) for name in ("assumed", "noisy"))]
)
def test_window_size(ab, reader, window):
    setting, settings = Setting(reader), Settings(least_gain=0.1)
    ab.arms(
        baseline=partial(ours, settings, setting),
        optimized=partial(ours, replace(settings, window_tokens=window), setting),
    )
    ab.run()
