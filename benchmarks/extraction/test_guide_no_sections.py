"""No section passes instead of two, on the guide's capped example: "~2x faster" in calls and in hours.

Of the calls 1.6 times fewer are left. Those that go are the long ones, so by the time model of its logs
(modelled hours, one call after the other) it is about twice as fast.
"""

from functools import partial

from harness import Claim, Metric, Optimization, Requires
from harness.extraction.trials.guide import Example, counted

WHERE, TWICE = "extraction-speed-guide.md, section 3", "BM25 only, no section passes (~2x faster than 2)"
ABOUT = (0.5 * 0.95, 0.5 * 1.05)
OPTIMIZATION = Optimization(
    name="guide_no_sections",
    title="The guide's example by retrieval passes alone",
    metrics=(
        Metric("calls", "calls", gate="exact", value=lambda it: it.total),
        Metric("hours", "h", gate="exact", tolerance=1e-9, value=lambda it: it.hours),
    ),
    claims=(Claim("calls", WHERE, TWICE, ratio=ABOUT), Claim("hours", WHERE, TWICE, ratio=ABOUT)),
    requires=Requires(kind="host"),
)
CAPPED = Example(section_passes=2, deep_fields=25)
BARE = Example(section_passes=0, deep_fields=25)


def test_guide_no_sections(ab):
    ab.arms(baseline=partial(counted, CAPPED), optimized=partial(counted, BARE))
    ab.run()
