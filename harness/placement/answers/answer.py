"""From a question to its answer: which front is searched, which point is chosen, what is proven."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.errors import EXIT_INFEASIBLE, EXIT_PARTLY_DONE, HarnessError
from harness.placement.answers.question import Question
from harness.placement.documented.documented_front import documented_front, documented_plan
from harness.placement.exact.certificate import Certificate, certificate_of
from harness.placement.exact.front import Front, FrontPoint, exact_front
from harness.placement.exact.limits import Limits, limited_front
from harness.placement.exact.linked_front import linked_front
from harness.placement.exact.ratio import cheapest_token
from harness.placement.plan import Plan
from harness.placement.problem import Problem
from harness.placement.rates import links_may_bind
from harness.placement.reasons.diagnosis import diagnose
from harness.placement.reasons.relaxation import Relaxation, beyond_front
from harness.placement.segments import DOCUMENTED
from harness.placement.stages import StageTable, lay_out, stage_table

# Two sums of the same prices differ in their last bits.
_PROVEN = 1e-12


@dataclass(frozen=True, slots=True)
class Solved:
    """A front, how one of its points becomes a plan, and what its search went over.

    `plain`: neither limits nor links nor defects, so the front's own proof holds for the table. `gap`: by
    what share the answer may be worse than the best, 0 where it is proven.
    """

    front: Front
    plan_of: Callable[[FrontPoint], Plan]
    candidates: str = "candidate throughputs"
    plain: bool = False
    gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A plan, the front it was chosen from (None where it was left out), and the proof.

    `plans` are those of the front. `certificate` proves the cheapest token of the whole front, whatever
    was chosen from it. Of `candidates` in all, `searched` were looked at. `gap`: by what share the answer
    may be worse than the best there is, 0 where it is proven, infinite where nothing is known.
    """

    question: Question
    problem: Problem
    table: StageTable
    point: FrontPoint
    plan: Plan
    front: Front | None
    plans: tuple[Plan, ...]
    gap: float
    candidates: str
    searched: int
    certificate: Certificate | None

    @property
    def proven(self) -> bool:
        """Whether no plan answers the question better."""
        return self.gap < _PROVEN


class NoPlanError(HarnessError):
    """The answer that there is no plan (exit 3): the cause, and each change that by itself gives one."""

    def __init__(self, cause: str, relaxations: tuple[Relaxation, ...]) -> None:
        self.cause, self.relaxations = cause, relaxations
        super().__init__(
            cause if cause.startswith("no plan") else f"no plan: {cause}",
            next_step="; or ".join(relaxation.line for relaxation in relaxations),
            exit_code=EXIT_INFEASIBLE,
        )

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        told = [asdict(relaxation) for relaxation in self.relaxations]
        return {"plan": None, "infeasible": self.cause, "relaxations": told}


def answer(question: Question, problem: Problem, *, ratio_only: bool = False) -> Answer:
    """The exact answer; NoPlanError where there is none."""
    table = stage_table(problem, question.rules, question.rates, question.sizes)
    if ratio_only:
        return _cheapest_token(question, problem, table)
    solved = solve_front(question, problem, table)
    front = solved.front
    point = question.choose(front, problem.config)
    if point is None and math.isinf(solved.gap):
        raise HarnessError(
            "whether there is a plan depends on which GPUs of a type are linked: none is sure to answer this "
            "over the slowest links between two types, over the fastest one would",
            next_step="ask for less, or list GPUs with other links as types of their own",
            exit_code=EXIT_PARTLY_DONE,
        )
    if point is None:
        raise no_plan(question, problem, front)
    return Answer(
        question, problem, table, point, solved.plan_of(point), front,
        tuple(solved.plan_of(each) for each in front.points), solved.gap,
        f"{front.thresholds:,} {solved.candidates}", front.visited,
        certificate_of(front, table) if solved.plain else None,
    )  # fmt: skip


def _cheapest_token(question: Question, problem: Problem, table: StageTable) -> Answer:
    if links_may_bind(problem, float(table.tokens_per_s.max(initial=0))):
        raise HarnessError("--ratio-only leaves links out, and some link here may be slower than a stage")
    found = cheapest_token(table)
    if found is None:
        raise no_plan(question, problem, Front((), 0, 0))
    if found.point.usd_per_hour > problem.config.budget_usd_per_hour:
        raise HarnessError(
            "--ratio-only knows no budget, and max_hourly_cost is below the cheapest token's cost"
        )
    return Answer(
        question, problem, table, found.point, lay_out(found.point.choice, table, problem), None, (), 0.0,
        f"{found.thresholds:,} candidate throughputs", found.searched, found.certificate,
    )  # fmt: skip


def solve_front(question: Question, problem: Problem, table: StageTable) -> Solved:
    """The front that holds the answer, of the plans within the question's limits."""
    if question.rules == DOCUMENTED:
        return _documented(question, problem)
    if question.contiguous or links_may_bind(problem, float(table.tokens_per_s.max(initial=0))):
        return _linked(question, problem, table)
    plain = question.limits == Limits()
    front = exact_front(table) if plain else limited_front(table, question.limits)
    return Solved(front, lambda point: lay_out(point.choice, table, problem), plain=plain)


def _linked(question: Question, problem: Problem, table: StageTable) -> Solved:
    found = linked_front(problem, table, question.contiguous, question.limits)
    answers = [question.choose(front, problem.config) for front in (found.front, found.bound)]
    same = len({(point.tokens_per_s, point.usd_per_hour) for point in answers if point}) < 2
    gap = found.gap(lambda front: question.choose(front, problem.config), question.figure)
    gap = 0.0 if same and all(answers) else gap
    candidates = "candidate stage and link rates"
    return Solved(found.front, lambda point: found.plan(point, problem), candidates, gap=gap)


def _documented(question: Question, problem: Problem) -> Solved:
    rules, rates, sizes = question.rules, question.rates, question.sizes

    def plan_of(point: FrontPoint) -> Plan:
        # what the documented program says its plan makes, which its big-M may hold below the stages
        plan = documented_plan(point.choice, problem, sizes, rules, rates)
        return replace(plan, tokens_per_s=point.tokens_per_s)

    return Solved(documented_front(problem, sizes, rules, rates), plan_of, "ways to use the pool")


def no_plan(question: Question, problem: Problem, front: Front) -> NoPlanError:
    """Why there is no plan, and the nearest change of each constraint that gives one."""
    if not front.points:
        found = diagnose(problem, question.rules, question.rates, question.sizes, question.limits)
        if found is not None:
            aside = _aside(question, problem, limits=not found.of_limits)
            return NoPlanError(found.cause, tuple(_told(each, aside) for each in found.relaxations))
        culprit = "documented rules" if question.rules == DOCUMENTED else "links between the GPUs"
        return NoPlanError(f"the {culprit} leave none", ())
    most = min(problem.config.budget_usd_per_hour, math.inf if question.budget is None else question.budget)
    floor = question.floor or 0.0
    cause = "no plan" + f" reaches {floor:g} tokens/s" * (floor > 0)
    if math.isfinite(most):
        cause += f" within {most:g} USD/h" if floor else f" costs {most:g} USD/h or less"
    holders = [
        name
        for name, usd in (
            ("--budget", question.budget),
            ("max_hourly_cost", problem.config.budget_usd_per_hour),
        )
        if usd is not None and math.isfinite(usd)
    ]
    return NoPlanError(cause, tuple(_of_budget(each, holders) for each in beyond_front(front, floor, most)))


def _aside(question: Question, problem: Problem, *, limits: bool) -> str:
    """What else was asked for, which a change of the problem or of a limit may not be enough for."""
    budget = math.isfinite(problem.config.budget_usd_per_hour) or question.budget is not None
    asked_too = (
        ("limits", limits and (question.limits != Limits() or question.contiguous)),
        ("throughput", question.floor is not None),
        ("budget", budget),
    )
    names = [name for name, given in asked_too if given]
    return f" (the {' and the '.join(names)} aside)" if names else ""


def _told(relaxation: Relaxation, more: str) -> Relaxation:
    return replace(relaxation, line=relaxation.line + more)


def _of_budget(relaxation: Relaxation, holders: list[str]) -> Relaxation:
    """Both the option and the config may hold the cost down, and then both have to go up."""
    if relaxation.constraint != "usd_per_hour" or holders == ["--budget"]:
        return relaxation
    return _told(relaxation, f" (raise {' and '.join(holders)})")
