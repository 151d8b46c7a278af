from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.placement.plan import Plan, Solution, Stage, plan_of, verify_plan
from harness.placement.problem import Problem
from harness.placement.rates import stage_rates
from harness.placement.segments import CORRECTED, DOCUMENTED


@pytest.fixture
def plan(medium: Problem) -> Plan:
    """V100: layers 1-20 on GPUs 32-35, 21-40 on 36-39."""
    rate = stage_rates(medium.config, medium.pool[3], 4)[20]
    first = Stage("V100", (32, 33, 34, 35), 1, 20, rate)
    second = Stage("V100", (36, 37, 38, 39), 21, 40, rate)
    return plan_of([second, first], medium)


def test_figures_of_a_plan(plan: Plan, medium: Problem) -> None:
    assert [stage.first_layer for stage in plan.stages] == [1, 21]
    assert [(stage.tp, stage.layers) for stage in plan.stages] == [(4, 20), (4, 20)]
    assert plan.tokens_per_s == pytest.approx(6304.34, abs=0.005)
    assert plan.usd_per_hour == pytest.approx(2.4)
    assert plan.usd_per_million_tokens == pytest.approx(0.105747, abs=5e-7)
    assert verify_plan(plan, medium, CORRECTED) == ()
    assert verify_plan(plan, medium, DOCUMENTED) == ()


def with_second(**changes: object) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, stages=(plan.stages[0], replace(plan.stages[1], **changes)))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda plan: replace(plan, usd_per_hour=2.3), "costs 2.4 usd/h, not 2.3"),
        (lambda plan: replace(plan, tokens_per_s=7000.0), "the plan says 7000.0"),
        (lambda plan: replace(plan, stages=plan.stages[:1]), "layer 21 is on 0 stages"),
        (lambda plan: replace(plan, stages=plan.stages * 5), "10 stages, at most 8"),
        (lambda plan: replace(plan, stages=()), "the slowest stage makes nan"),
        (with_second(first_layer=20), "layer 20 is on 2 stages"),
        (with_second(last_layer=41), "layer 41 is on 1 stages"),
        (with_second(last_layer=20), "makes nan tokens/s"),
        (with_second(gpus=(35, 36, 37, 38)), "(35, 36, 37, 38) is not an aligned block"),
        (with_second(gpus=()), "TP 0 is not among"),
        (with_second(gpus=(36, 37, 38, 40)), "(36, 37, 38, 40) is not an aligned block"),
        (with_second(gpus=(32, 33, 34, 35)), "GPU 32 is used 2 times"),
        (with_second(gpus=(44, 45, 46, 47)), "are not all V100"),
        (with_second(gpus=(36, 37, 38)), "TP 3 is not among (1, 2, 4, 8)"),
        (with_second(gpus=(36, 37)), "20 layers do not fit its memory, at most 7"),
        (with_second(first_layer=34), "7 layers, at least 8"),
        (with_second(tokens_per_s=9000.0), "tokens/s, not 9000.0"),
        (with_second(gpu_type="H100"), "the pool has no H100"),
    ],
)
def test_a_planted_error_is_found(
    plan: Plan, medium: Problem, spoil: Callable[[Plan], Plan], fault: str
) -> None:
    faults = verify_plan(spoil(plan), medium, CORRECTED)
    assert any(fault in found for found in faults), faults


def test_a_link_slower_than_the_plan(plan: Plan, medium: Problem) -> None:
    links = np.array(medium.bandwidth_gb_per_s)
    links[32, 36] = 0.05
    faults = verify_plan(plan, replace(medium, bandwidth_gb_per_s=links), CORRECTED)
    assert faults == ("the link from GPU 32 to GPU 36 is slower than the plan",)


def test_slow_links_inside_a_group_and_between_masters_count(plan: Plan, medium: Problem) -> None:
    """0.08 GB/s inside V100 32-35 carry 3/4 of what they would between masters."""
    links = np.array(medium.bandwidth_gb_per_s)
    links[34, 33] = 0.08
    problem = replace(medium, bandwidth_gb_per_s=links)
    assert len(verify_plan(plan, problem, CORRECTED)) == 1
    slow = plan_of(list(plan.stages), problem)
    assert slow.tokens_per_s == pytest.approx(0.08 * 0.75 * 2**30 / (8192 * 2))
    assert verify_plan(slow, problem, CORRECTED) == ()
    wrong = replace(slow, tokens_per_s=slow.tokens_per_s / 2)
    assert any("the plan says" in fault for fault in verify_plan(wrong, problem, CORRECTED))


def test_no_plan_is_an_answer_with_its_own_exit_code() -> None:
    with pytest.raises(HarnessError, match="no plan: infeasible") as raised:
        Solution("infeasible", None).require()
    assert raised.value.exit_code == EXIT_INFEASIBLE
