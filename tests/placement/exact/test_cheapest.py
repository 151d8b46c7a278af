from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.placement.exact.cheapest import AdditiveLimit, cheapest_choice, cheapest_plan
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED
from harness.placement.stages import stage_table


@pytest.mark.parametrize(
    ("floor", "usd_per_hour"),
    [(1, 2.0), (2902, 2.2), (3055, 2.4), (6305, 2.9), (7418, 3.6), (11822, 5.0), (17882, 8.0)],
)
def test_corners_of_the_front(medium: Problem, floor: float, usd_per_hour: float) -> None:
    plan = cheapest_plan(medium, stage_table(medium), floor).require()
    assert plan.usd_per_hour == pytest.approx(usd_per_hour)
    assert plan.tokens_per_s >= floor
    assert verify_plan(plan, medium, CORRECTED) == ()


def test_no_plan_is_fast_enough(medium: Problem) -> None:
    table = stage_table(medium)
    assert cheapest_plan(medium, table, 21_500).status == "infeasible"
    assert cheapest_plan(medium, table, 1e9).status == "infeasible"


def test_a_pool_that_holds_nothing(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    assert cheapest_choice(stage_table(problem), 0.0) is None


def test_a_limit_is_one_more_row(medium: Problem) -> None:
    """Two stages of TP 4 with 20 layers each are the cheapest at 6,000 tokens/s; one stage costs more."""
    table = stage_table(medium)
    one_each = np.ones_like(table.tokens_per_s)
    free, single = (cheapest_choice(table, 6_000, [AdditiveLimit(one_each, most)]) for most in (math.inf, 1))
    assert free is not None
    assert len(free) == 2
    assert single is not None
    assert len(single) == 1
    assert cheapest_choice(table, 6_000, [AdditiveLimit(one_each, 0.5)]) is None
