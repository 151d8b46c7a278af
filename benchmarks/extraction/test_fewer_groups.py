"""Eight field groups instead of twelve: fewer calls, longer answers, two topics in one retrieval."""

from dataclasses import replace
from functools import partial

from harness import Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import coverage_lost, documented

OPTIMIZATION = Optimization(
    name="fewer_groups",
    title="Eight field groups instead of twelve",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.05),
    ),
    requires=Requires(kind="host"),
)
TWELVE = replace(PRESETS["capped"], groups=12)


def test_fewer_groups(ab):
    eight = replace(TWELVE, groups=8)
    ab.arms(baseline=partial(documented, TWELVE), optimized=partial(documented, eight))
    ab.run()
