"""The whole cost-throughput front by a sweep over all throughput floors, instead of a MILP for each floor.

Both arms choose floors in the same way, and stop where two neighbours cost the same. The MILPs are small
ones over (class, layers) counts, without segments, solved by HiGHS one after the other.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.placement import exact_front, read_problem, stage_table
from harness.placement.trials.exact_gain import different_corners, highs_oracle

OPTIMIZATION = Optimization(
    name="front_sweep",
    title="The front by a sweep instead of a MILP for each floor",
    metrics=(
        Metric("front_time", "s", gate="paired", floor=0.25),  # array code shifts by 10 % between runs
        Metric("different_corners", "corners", gate="bounded", compare=different_corners, limit=0),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)


@pytest.mark.parametrize("fixture", ["small", pytest.param("medium", marks=pytest.mark.slow)])
def test_front_sweep(ab, fixture):
    table = stage_table(read_problem(ab.uses(f"fixtures/placement/{fixture}")))
    ab.arms(baseline=partial(exact_front, table, highs_oracle), optimized=partial(exact_front, table))
    ab.run()
