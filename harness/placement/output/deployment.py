"""What to launch for an answer: its own plan, or the best one that a single vLLM launch can serve."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.placement.answers.answer import Answer, solve_front
from harness.placement.documented.enumeration import dearer
from harness.placement.output.vllm_launch import GPUS_PER_MACHINE, Launch, launch, obstacle
from harness.placement.plan import Plan
from harness.placement.segments import DOCUMENTED
from harness.placement.stages import StageTable


@dataclass(frozen=True, slots=True)
class Deployment:
    """`why`: what keeps one launch from serving the answer's own plan, empty when nothing does.

    `plan` is what `launch` serves, the best for the same question among those that one launch can
    serve; both None where there is none. `dearer` is by what share its token costs more than the answer's,
    below 0 where the question was not for the cheapest token, infinite where the answer is free.
    """

    why: str
    plan: Plan | None
    launch: Launch | None
    dearer: float = 0.0


def deployment(found: Answer, gpus_per_machine: int = GPUS_PER_MACHINE) -> Deployment:
    """The launch for an answer; HarnessError where the model's name cannot stand in a command."""
    config = found.problem.config
    why = obstacle(found.plan, config, gpus_per_machine)
    if not why:
        return Deployment("", found.plan, launch(found.plan, config, gpus_per_machine))
    if found.question.rules == DOCUMENTED:
        return Deployment(f"{why}; the documented rules know no such limit", None, None)
    instead = _servable(found, gpus_per_machine)
    if instead is None:
        return Deployment(f"{why}; and no plan for this question can be served by one", None, None)
    more = dearer(instead.usd_per_token, found.plan.usd_per_token)
    return Deployment(why, instead, launch(instead, config, gpus_per_machine), more)


def _servable(found: Answer, gpus_per_machine: int) -> Plan | None:
    limits = replace(found.question.limits, uniform_tp=True)
    question = replace(found.question, limits=limits)
    solved = solve_front(question, found.problem, _servable_stages(found, gpus_per_machine))
    point = question.choose(solved.front, found.problem.config)
    return None if point is None else solved.plan_of(point)


def _servable_stages(found: Answer, gpus_per_machine: int) -> StageTable:
    """Without the classes that no launch can serve."""
    heads, tp = found.problem.config.num_attention_heads, found.table.tp
    served = (tp <= gpus_per_machine) & (heads % tp == 0)
    rates = np.where(served[:, None], found.table.tokens_per_s, 0.0)
    return replace(found.table, tokens_per_s=rates)
