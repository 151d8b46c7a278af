"""Verification left out, with a reader that errs: what its one call for each facility is worth."""

from dataclasses import replace
from functools import partial

from harness import Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import Setting, coverage_lost, documented

OPTIMIZATION = Optimization(
    name="skip_verification",
    title="No verification pass",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("verification_calls", "calls", gate="exact", value=lambda it: it.calls_of("verification")),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("false_fills", "share", "lower", "exact", value=lambda it: it.false_fills),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.05),
    ),
    requires=Requires(kind="host"),
)
CAPPED, NOISY = PRESETS["capped"], Setting("noisy")


def test_skip_verification(ab):
    skipped = replace(CAPPED, verification=False)
    ab.arms(baseline=partial(documented, CAPPED, NOISY), optimized=partial(documented, skipped, NOISY))
    ab.run()
