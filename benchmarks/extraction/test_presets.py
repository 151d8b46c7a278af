"""Our pipeline against each preset of the documented one, by a perfect reader and by a noisy one.

Goals of our own: at least 99 % of the unlimited preset's coverage for a fifth of its calls and tokens, and 15
points more than `capped` for no more calls. The noisy reader is fitted to the embedded model's passages and
extrapolated to longer ones.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import Setting, coverage_lost, documented, ours

OPTIMIZATION = Optimization(
    name="presets",
    title="Our pipeline instead of a documented preset",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("false_fills", "share", "lower", "exact", value=lambda it: it.false_fills),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.02),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize("reader", ["perfect", pytest.param("noisy", marks=SLOW)])
@pytest.mark.parametrize(
    "preset", ["unlimited", "capped", *(pytest.param(name, marks=SLOW) for name in ("one_hour", "bm25_only"))]
)
def test_presets(ab, preset, reader):
    setting = Setting(reader)
    ab.arms(baseline=partial(documented, PRESETS[preset], setting), optimized=partial(ours, setting=setting))
    ab.run()
