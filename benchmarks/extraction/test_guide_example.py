"""The guide's own example before and after its caps, by formula: 2 facilities, 60 chunks, 40 missing fields.

The code has 13 field groups where the guide counts 12. Hours are modelled: at the guide's 30 s a call, and by
the time model of its logs. "Large" is taken as half and more, "~" as 5 %.
"""

from functools import partial
from math import inf

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.extraction.trials.guide import Example, counted

GUIDE = "extraction-speed-guide.md"
LARGE = "Large reduction in deep-extract time"
OPTIMIZATION = Optimization(
    name="guide_example",
    title="The guide's caps on its own example",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.total),
        Metric("calls_before", "calls", compare=lambda before, _: before.total),
        Metric("section_calls_before", "calls", compare=lambda before, _: before.section),
        Metric("section_calls", "calls", gate="exact", value=lambda it: it.section),
        Metric("group_calls", "calls", gate="exact", value=lambda it: it.group_calls),
        Metric("deep_calls", "calls", gate="exact", value=lambda it: it.deep),
        Metric("hours_at_30_s", "h", value=lambda it: it.hours_at_30_s),
        Metric("hours_before", "h", compare=lambda before, _: before.hours),
        Metric("hours", "h", gate="exact", tolerance=1e-9, value=lambda it: it.hours),
    ),
    claims=(
        Claim("calls_before", f"{GUIDE}, section 1", "550+ LLM calls", value=(550, inf)),
        Claim("calls", f"{GUIDE}, section 1", "115 LLM calls", value=(115 * 0.95, 115 * 1.05)),
        Claim("section_calls_before", f"{GUIDE}, section 2.1", "often 200+ per company", value=(200, inf)),
        Claim("section_calls", f"{GUIDE}, section 2.1", "down to ~24", value=(24 * 0.95, 24 * 1.05)),
        Claim("group_calls", f"{GUIDE}, section 5", "~3-4x fewer extraction calls", ratio=(1 / 4, 1 / 3)),
        Claim("deep_calls", f"{GUIDE}, section 5", LARGE, ratio=(0, 0.5)),
        Claim("hours_before", f"{GUIDE}, section 1", "~5 h", value=(4.75, 5.25)),
        Claim("hours_at_30_s", f"{GUIDE}, section 1", "target <1.5 h", value=(0, 1.5)),
        Claim("hours", f"{GUIDE}, section 5", "roughly 1-1.5 h", value=(1, 1.5)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("groups", [12, 13])
def test_guide_example(ab, groups):
    before, after = Example(groups=groups), Example(groups=groups, section_passes=2, deep_fields=25)
    ab.arms(baseline=partial(counted, before), optimized=partial(counted, after))
    ab.run()
