"""The document's other lists of sizes, 11 and 4 instead of 14, in the placement solver on medium.

As `segment_sizes`: counted under the documented rules, timed without connection columns, which changes
no plan here. Words are promised, no figures: 4 are the fastest.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.placement import fine_sizes, read_problem
from harness.placement.trials.pool_losses import ELEVEN_SIZES, FOUR_SIZES
from harness.placement.trials.size_rules import loss_against, loss_against_every_size, size_model, solve_model

OPTIMIZATION = Optimization(
    name="other_segment_sizes_solved",
    title="11 or 4 segment sizes in the placement solver",
    metrics=(
        Metric("segments", "segments", gate="exact", value=lambda m: m.segments),
        Metric("binary_variables", "variables", gate="exact", value=lambda m: m.binary_variables),
        Metric("solve_time", "s", gate="paired", floor=0.1),  # search paths vary with the machine
        Metric("usd_per_token_loss", "ratio", gate="bounded", compare=loss_against, limit=0.05),
        Metric("loss_to_every_size", "ratio", gate="bounded", compare=loss_against_every_size, limit=0.05),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [ELEVEN_SIZES, FOUR_SIZES], ids=["11", "4"])
def test_other_sizes_solved(ab, sizes):
    problem = read_problem(ab.uses("fixtures/placement/medium"))
    ab.arms(
        baseline=Arm(solve_model, prepare=partial(size_model, problem, fine_sizes(40), 3.6)),
        optimized=Arm(solve_model, prepare=partial(size_model, problem, sizes, 3.6)),
    )
    ab.run()
