"""The Pareto front of coverage against calls: each documented preset against ours for no more calls.

A preset is dominated when ours finds at least as much for at most its calls. `harness corpus trial` prints
all of them with intervals, and who dominates whom.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import Setting, coverage_lost, documented, ours
from harness.extraction.trials.pareto import DOCUMENTED, with_budget

OPTIMIZATION = Optimization(
    name="pareto",
    title="Our pipeline for no more calls than a preset takes",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("minutes", "min", gate="exact", value=lambda it: it.minutes),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("false_fills", "share", "lower", "exact", value=lambda it: it.false_fills),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.0),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "reader", ["perfect", *(pytest.param(name, marks=SLOW) for name in ("assumed", "noisy"))]
)
@pytest.mark.parametrize("preset", DOCUMENTED)
def test_pareto(ab, preset, reader):
    setting = Setting(reader)
    before = partial(documented, PRESETS[preset], setting)
    ab.arms(
        baseline=before,
        optimized=lambda: ours(with_budget(reader, int(before().calls)), setting),
    )
    ab.run()
