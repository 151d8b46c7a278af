from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import DOCUMENTED, coarse_sizes, fine_sizes
from harness.placement.size_rules import loss_against, loss_against_every_size, size_model, solve_model


def test_counts_and_losses_of_the_published_size_rules(medium: Problem) -> None:
    fine, coarse = (size_model(medium, sizes, 3.6) for sizes in (fine_sizes(40), coarse_sizes(40)))
    assert (fine.segments, fine.binary_variables) == (4_797, 340_665)
    assert (coarse.segments, coarse.binary_variables) == (2_788, 131_206)
    assert loss_against(fine, coarse) == 0
    assert loss_against_every_size(fine, coarse) == pytest.approx(0.0493, abs=5e-5)
    assert loss_against(coarse, size_model(medium, (40,), 3.6)) > 0


def test_solving_adds_the_plan(medium: Problem) -> None:
    model = size_model(medium, coarse_sizes(40), 2.4)
    with pytest.raises(HarnessError, match="no plan found"):
        _ = model.plan
    solved = solve_model(model)
    assert solved.plan.tokens_per_s == pytest.approx(6304.34, abs=0.005)
    assert verify_plan(solved.plan, medium, DOCUMENTED) == ()
    assert solved.milp is model.milp


def test_a_budget_below_every_plan_is_an_answer(medium: Problem) -> None:
    with pytest.raises(HarnessError, match="no plan: infeasible"):
        _ = solve_model(size_model(medium, coarse_sizes(40), 1.0)).plan
