"""The weighted method at 0.5 instead of the enumeration of budgets: one solve for ten.

`small`: the documented program with its connection columns. `medium`: corrected rules without those
columns; with them the weighted solve has no answer after ten minutes. What the weighted method costs
on medium under the documented rules is in `weighted_over_pools`.
"""

from functools import partial
from math import inf

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.placement import CORRECTED, DOCUMENTED, read_problem
from harness.placement.documented.enumeration import enumeration
from harness.placement.documented.methods import Search, weighted

TEXT = "placement-optimization-summary.md"
COMPARED = f"{TEXT}, Compare Methods"


def loss(enumerated, chosen):
    return chosen.best.usd_per_token / enumerated.best.usd_per_token - 1


OPTIMIZATION = Optimization(
    name="weighted_method",
    title="The weighted method instead of the enumeration",
    metrics=(
        Metric("method_time", "s", gate="paired", floor=0.2),  # search paths vary with the machine
        Metric("usd_per_token_loss", "ratio", gate="bounded", compare=loss, limit=0.05),
    ),
    claims=(
        Claim("method_time", COMPARED, "<5% difference, 10× speed difference", ratio=(0.09, 0.11)),
        Claim("usd_per_token_loss", COMPARED, "<5% difference, 10× speed difference", value=(-inf, 0.05)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("fixture", ["small", pytest.param("medium", marks=pytest.mark.slow)])
def test_weighted_method(ab, fixture):
    problem = read_problem(ab.uses(f"fixtures/placement/{fixture}"))
    search = Search(problem, DOCUMENTED) if fixture == "small" else Search(problem, CORRECTED, linked=False)
    ab.arms(baseline=partial(enumeration, search), optimized=partial(weighted, search, 0.5))
    ab.run()
