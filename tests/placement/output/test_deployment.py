from __future__ import annotations

from dataclasses import replace

import pytest

from harness.placement.answers.answer import Answer, answer
from harness.placement.answers.question import Question
from harness.placement.exact.limits import Limits
from harness.placement.output.deployment import deployment
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES
from harness.placement.segments import CORRECTED, DOCUMENTED, all_sizes, coarse_sizes

EVERY = Question(CORRECTED, DOCUMENTED_RATES, all_sizes(40))


@pytest.fixture(scope="module")
def cheapest(medium: Problem) -> Answer:
    return answer(EVERY, medium)


def test_a_plan_that_one_launch_can_serve_is_launched_as_it_is(medium: Problem) -> None:
    found = answer(replace(EVERY, budget=2.4), medium)
    deployed = deployment(found)
    assert (deployed.why, deployed.plan, deployed.dearer) == ("", found.plan, 0.0)
    assert deployed.launch is not None
    assert deployed.launch.layer_partition == (20, 20)


def test_else_the_best_uniform_plan_takes_its_place(medium: Problem, cheapest: Answer) -> None:
    deployed = deployment(cheapest)
    uniform = answer(replace(EVERY, limits=Limits(uniform_tp=True)), medium)
    assert "tensor-parallel sizes 2, 4" in deployed.why
    assert deployed.plan == uniform.plan
    assert deployed.dearer == pytest.approx(0, abs=1e-12)
    assert verify_plan(uniform.plan, medium, CORRECTED) == ()


def test_what_it_costs_more_is_told(medium: Problem) -> None:
    found = answer(replace(EVERY, budget=5.4), medium)
    deployed = deployment(found)
    assert deployed.plan is not None
    assert len({stage.tp for stage in deployed.plan.stages}) == 1
    assert deployed.plan.usd_per_hour <= 5.4
    assert deployed.dearer == pytest.approx(deployed.plan.usd_per_token / found.plan.usd_per_token - 1)
    assert deployed.dearer > 0


def test_groups_are_within_a_machine(cheapest: Answer) -> None:
    deployed = deployment(cheapest, 1)
    assert deployed.plan is not None
    assert {stage.tp for stage in deployed.plan.stages} == {1}
    assert deployed.launch is not None
    assert len(deployed.launch.commands) == len(deployed.plan.stages)


def test_groups_share_out_the_attention_heads(medium: Problem) -> None:
    odd = replace(medium, config=replace(medium.config, num_attention_heads=33))
    deployed = deployment(answer(EVERY, odd))
    assert deployed.plan is not None
    assert {stage.tp for stage in deployed.plan.stages} == {1}


def test_where_nothing_can_be_launched_it_says_why(medium: Problem) -> None:
    # below 3 USD/h no plan of TP 1 holds the model
    deployed = deployment(answer(replace(EVERY, budget=2.4), medium), 1)
    assert (deployed.plan, deployed.launch) == (None, None)
    assert "span 4 GPUs, and a machine has 1" in deployed.why
    assert "no plan for this question can be served by one" in deployed.why


def test_the_documented_rules_have_no_other_plan_to_offer(medium: Problem) -> None:
    found = answer(Question(DOCUMENTED, DOCUMENTED_RATES, coarse_sizes(40), budget=4.0), medium)
    assert deployment(found).launch is not None
    refused = deployment(found, 2)
    assert refused.launch is None
    assert "documented rules" in refused.why
