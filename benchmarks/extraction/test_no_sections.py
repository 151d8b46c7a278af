"""No section passes instead of two: the guide's "~2x faster than 2", on calls of a perfect reader."""

from dataclasses import replace
from functools import partial

from harness import Claim, Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import coverage_lost, documented

GUIDE = "extraction-speed-guide.md, section 3"
OPTIMIZATION = Optimization(
    name="no_sections",
    title="Retrieval passes alone",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.05),
    ),
    claims=(Claim("calls", GUIDE, "BM25 only, no section passes (~2x faster than 2)", ratio=(0.45, 0.55)),),
    requires=Requires(kind="host"),
)
CAPPED = PRESETS["capped"]


def test_no_sections(ab):
    ab.arms(
        baseline=partial(documented, CAPPED), optimized=partial(documented, replace(CAPPED, section_passes=0))
    )
    ab.run()
