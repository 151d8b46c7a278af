"""The guide's further settings on its capped example, each alone: 8 groups, 1 and 0 passes, 15 deep fields.

"Fewer" and "faster" are taken at their word: any less. Hours are modelled by the time model of its logs:
calls are not cost, for fewer groups have longer answers.
"""

from dataclasses import replace
from functools import partial

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.extraction.trials.guide import Example, counted

CAPPED = Example(section_passes=2, deep_fields=25)
ALONE = {
    "groups_8": replace(CAPPED, groups=8),
    "passes_1": replace(CAPPED, section_passes=1),
    "passes_0": replace(CAPPED, section_passes=0),
    "deep_15": replace(CAPPED, deep_fields=15),
    "no_verification": replace(CAPPED, verification=False),
}
LESS = (0, 1 - 1e-9)
OPTIMIZATION = Optimization(
    name="guide_settings",
    title="One more of the guide's settings",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.total),
        Metric("group_calls", "calls", gate="exact", value=lambda it: it.group_calls),
        Metric("hours", "h", gate="exact", tolerance=1e-9, value=lambda it: it.hours),
    ),
    claims=(
        Claim("calls", "extraction-speed-guide.md, sections 3 and 4.2", "fewer ... passes", ratio=LESS),
        Claim("hours", "extraction-speed-guide.md, section 3", "for maximum speed", ratio=LESS),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("setting", ALONE)
def test_guide_settings(ab, setting):
    ab.arms(baseline=partial(counted, CAPPED), optimized=partial(counted, ALONE[setting]))
    ab.run()
