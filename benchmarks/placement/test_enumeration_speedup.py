"""Both of the document's savings at once: 14 sizes and 12 budget points against 6 and 6.

`small`: the documented program with its connection columns. `medium`: corrected rules without those
columns, as the documented ones take minutes to hours here; each solve is proven to the config's gap.
"""

from functools import partial
from math import inf

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.placement import CORRECTED, DOCUMENTED, coarse_sizes, fine_sizes, read_problem
from harness.placement.documented.budgets import COARSE_FACTORS, FINE_FACTORS
from harness.placement.documented.enumeration import enumeration
from harness.placement.documented.methods import Search

TEXT = "placement-optimization-summary.md"
POINTS = f"{TEXT}, Coarse Enumeration Budget Points"


def loss(fine, coarse):
    return coarse.best.usd_per_token / fine.best.usd_per_token - 1


OPTIMIZATION = Optimization(
    name="enumeration_speedup",
    title="6 sizes and 6 budget points instead of 14 and 12",
    metrics=(
        Metric("enumeration_time", "s", gate="paired", floor=0.1),  # search paths vary with the machine
        Metric("usd_per_token_loss", "ratio", gate="bounded", compare=loss, limit=0.05),
    ),
    claims=(
        Claim("enumeration_time", POINTS, "40-80 min → 4-12 min (6-10× faster)", ratio=(1 / 10, 1 / 6)),
        Claim("usd_per_token_loss", f"{TEXT}, Summary", "<5% quality loss", value=(-inf, 0.05)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["small", "medium"])
def test_enumeration_speedup(ab, fixture):
    problem = read_problem(ab.uses(f"fixtures/placement/{fixture}"))
    linked = fixture == "small"
    rules = DOCUMENTED if linked else CORRECTED
    before = Search(problem, rules, sizes=fine_sizes(problem.layers), linked=linked)
    after = Search(problem, rules, sizes=coarse_sizes(problem.layers), linked=linked)
    ab.arms(
        baseline=partial(enumeration, before, factors=FINE_FACTORS),
        optimized=partial(enumeration, after, factors=COARSE_FACTORS),
    )
    ab.run()
