"""Do the figures of the guide's table agree with one another? Its rates, against its minutes.

Arithmetic with quoted figures, nothing is measured: baseline is the column "Value", optimized the column
"Target". The 65 minutes come out only if one stage counts 450 responses and the other 1,159 chunks; then the
target rates come to more than the target of 30 minutes.
"""

from functools import partial
from operator import itemgetter

from harness import Claim, Metric, Optimization, Requires
from harness.detection.costs.trials import stage_minutes

TABLE, QUOTE = "detection-optimization-guide.md, Current Baseline", "End-to-End Time: 65 minutes, target 30"
NAMES = ("end_to_end_by_chunks", "end_to_end_by_responses")

OPTIMIZATION = Optimization(
    name="guide_arithmetic",
    title="The guide's target rates, by its own arithmetic",
    metrics=tuple(Metric(name, "min", gate="exact", value=itemgetter(name)) for name in NAMES),
    claims=tuple(Claim(name, TABLE, QUOTE, value=(0, 30)) for name in NAMES),
    requires=Requires(kind="host"),
)


def test_guide_arithmetic(ab):
    matrix = ab.uses("hardware_matrix.toml")
    ab.arms(partial(stage_minutes, matrix, "current"), partial(stage_minutes, matrix, "target"))
    ab.run()
