from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from harness.errors import HarnessError
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import DOCUMENTED, coarse_sizes, fine_sizes
from harness.placement.trials.size_rules import (
    SizedModel,
    loss_against,
    loss_against_every_size,
    size_model,
    solve_model,
)


def solved(problem: Problem, sizes: Iterable[int]) -> SizedModel:
    return solve_model(size_model(problem, sizes, 3.6))


def test_counts_and_losses_of_the_published_size_rules(medium: Problem) -> None:
    fine, coarse = (solved(medium, sizes) for sizes in (fine_sizes(40), coarse_sizes(40)))
    assert (fine.segments, fine.binary_variables) == (4_797, 340_665)
    assert (coarse.segments, coarse.binary_variables) == (2_788, 131_206)
    assert loss_against(fine, coarse) == 0
    assert loss_against_every_size(fine, coarse) == pytest.approx(0.0493, abs=5e-5)
    assert 0 < loss_against(coarse, solved(medium, (40,))) < math.inf


def test_the_loss_of_a_wrong_plan_is_infinite(medium: Problem) -> None:
    right = solved(medium, coarse_sizes(40))
    assert right.solution is not None
    for planted in (
        replace(right.plan, stages=right.plan.stages[:-1]),
        replace(right.plan, usd_per_hour=right.plan.usd_per_hour / 10),
    ):
        wrong = replace(right, solution=replace(right.solution, plan=planted))
        assert loss_against(right, wrong) == math.inf
        assert loss_against(wrong, right) == math.inf


def test_solving_adds_the_plan(medium: Problem) -> None:
    model = size_model(medium, coarse_sizes(40), 2.4)
    with pytest.raises(HarnessError, match="no plan found"):
        _ = model.plan
    found = solve_model(model)
    assert found.plan.tokens_per_s == pytest.approx(6304.34, abs=0.005)
    assert verify_plan(found.plan, medium, DOCUMENTED) == ()
    assert found.milp is model.milp


def test_a_budget_below_every_plan_is_an_answer(medium: Problem) -> None:
    with pytest.raises(HarnessError, match="no plan: infeasible"):
        _ = solve_model(size_model(medium, coarse_sizes(40), 1.0)).plan
