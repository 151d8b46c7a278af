"""The guide's strict hour: one section pass, 20 deep fields, no verification, by its formula and time model.

Hours are modelled, one call after the other, loading left out. A third facility is where the hour ends.
"""

from functools import partial

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.extraction.trials.guide import Example, counted

GUIDE = "extraction-speed-guide.md"


def calls_less(before, after):
    return (before.verification - after.verification) / after.facilities


OPTIMIZATION = Optimization(
    name="guide_hour",
    title="The guide's preset of one hour",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.total),
        Metric("verification_calls_less", "calls per facility", compare=calls_less),
        Metric("hours_at_30_s", "h", value=lambda it: it.hours_at_30_s),
        Metric("hours", "h", gate="exact", tolerance=1e-9, value=lambda it: it.hours),
    ),
    claims=(
        Claim("hours", f"{GUIDE}, section 5", "hard <= 1 hour per company", value=(0, 1)),
        Claim("verification_calls_less", f"{GUIDE}, section 5", "1 call less per facility", value=(1, 1)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("facilities", [2, 3])
def test_guide_hour(ab, facilities):
    capped = Example(facilities, section_passes=2, deep_fields=25)
    hour = Example(facilities, section_passes=1, deep_fields=20, verification=False)
    ab.arms(baseline=partial(counted, capped), optimized=partial(counted, hour))
    ab.run()
