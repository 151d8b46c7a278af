"""The cap on section passes, the guide's "largest impact": calls saved, coverage lost, on a perfect reader.

Windows are taken in document order, as documented: a cap reads the first pages of every company, for every
group. "extraction_calls" are those of the group passes, which the guide's 3-4x is about.
"""

from dataclasses import replace
from functools import partial

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.extraction.documented.settings import PRESETS
from harness.extraction.trials.companies import coverage_lost, documented


def extraction_calls(found):
    return found.calls_of("retrieval", "section")


GUIDE = "extraction-speed-guide.md, section 2.1"
FEWER = "Cuts the bulk of LLM calls (often 200+ per company down to ~24), giving a ~3-4x speedup"
OPTIMIZATION = Optimization(
    name="section_cap",
    title="At most so many section passes for each field group",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.calls),
        Metric(
            "extraction_calls", "calls", gate="exact", value=lambda it: it.calls_of("retrieval", "section")
        ),
        Metric("section_calls", "calls", gate="exact", value=lambda it: it.calls_of("section")),
        Metric("tokens", "tokens", gate="exact", value=lambda it: it.tokens),
        Metric("coverage", "share", "higher", "exact", value=lambda it: it.coverage),
        Metric("coverage_lost", "share", gate="bounded", compare=coverage_lost, limit=0.05),
    ),
    claims=(
        Claim("extraction_calls", GUIDE, FEWER, ratio=(0.25, 1 / 3)),
        Claim("section_calls", GUIDE, FEWER, value=(22, 26)),
    ),
    requires=Requires(kind="host"),
)
UNLIMITED = replace(PRESETS["unlimited"], deep_fields=25)


@pytest.mark.parametrize("passes", [2, 1, 0])
def test_section_cap(ab, passes):
    capped = replace(UNLIMITED, section_passes=passes)
    ab.arms(baseline=partial(documented, UNLIMITED), optimized=partial(documented, capped))
    ab.run()
