"""The cap on deep extraction: one call for each missing field of each facility, the facility not named."""

from dataclasses import replace
from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import coverage_lost, documented

OPTIMIZATION = Optimization(
    name="deep_cap",
    title="At most so many deep extractions for each facility",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("deep_calls", "calls", gate="exact", value=lambda it: it.calls_of("deep")),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("false_fills", "share", "lower", "exact", value=lambda it: it.false_fills),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.05),
    ),
    requires=Requires(kind="host"),
)
UNCAPPED = replace(PRESETS["capped"], deep_fields=None)


@pytest.mark.parametrize("fields", [25, 15])
def test_deep_cap(ab, fields):
    capped = replace(UNCAPPED, deep_fields=fields)
    ab.arms(baseline=partial(documented, UNCAPPED), optimized=partial(documented, capped))
    ab.run()
