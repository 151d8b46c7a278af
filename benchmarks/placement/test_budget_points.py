"""Coarse budget points: the enumeration tries 6 multiples of a first plan's cost instead of 12.

Both arms add the range's ends and half its upper end, so 15 and 9 budgets at most, and both find the
first plan anew. `small`: the documented program with its connection columns. `medium`: corrected rules
without those columns, as the documented ones need minutes for a single budget.
"""

from functools import partial
from math import inf

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.placement import CORRECTED, DOCUMENTED, read_problem
from harness.placement.documented.budgets import COARSE_FACTORS, FINE_FACTORS
from harness.placement.documented.enumeration import enumeration
from harness.placement.documented.methods import Search

TEXT = "placement-optimization-summary.md"


def loss(fine, coarse):
    return coarse.best.usd_per_token / fine.best.usd_per_token - 1


OPTIMIZATION = Optimization(
    name="budget_points",
    title="6 budget points instead of 12",
    metrics=(
        Metric("solves", "solves", gate="exact", value=lambda result: len(result.budgets)),
        Metric("enumeration_time", "s", gate="paired", floor=0.2),  # search paths vary with the machine
        Metric("usd_per_token_loss", "ratio", gate="bounded", compare=loss, limit=0.05),
    ),
    claims=(
        Claim("solves", f"{TEXT}, Budget Points", "15 → 8 (47% reduction)", ratio=(0.525, 0.535)),
        Claim("usd_per_token_loss", f"{TEXT}, Summary", "<5% quality loss", value=(-inf, 0.05)),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.parametrize("fixture", ["small", pytest.param("medium", marks=pytest.mark.slow)])
def test_budget_points(ab, fixture):
    problem = read_problem(ab.uses(f"fixtures/placement/{fixture}"))
    search = Search(problem, DOCUMENTED) if fixture == "small" else Search(problem, CORRECTED, linked=False)
    ab.arms(
        baseline=partial(enumeration, search, factors=FINE_FACTORS),
        optimized=partial(enumeration, search, factors=COARSE_FACTORS),
    )
    ab.run()
