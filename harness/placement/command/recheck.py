"""Check an answer by other means than those that found it: each plan anew, each bound by HiGHS."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.answers.answer import Answer, answer
from harness.placement.answers.question import Question
from harness.placement.command.result_document import Result, read_result
from harness.placement.exact.certificate import check_certificate, check_front, check_point
from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.front import Front, FrontPoint, usd_of
from harness.placement.exact.limits import Limits, latency_row, parts, prefill_s
from harness.placement.output.report import asked
from harness.placement.plan import Plan, verify_plan
from harness.placement.problem import Problem
from harness.placement.rates import links_may_bind
from harness.placement.stages import StageTable, stage_table
from harness.render.escape import printable

_FACTS = ("rules", "rates", "provenance", "sizes", "goal", "limits")
_READ = (
    *_FACTS, "problem", "usd_per_million_tokens", "usd_per_hour", "tokens_per_s", "plan", "proven_optimal",
    "gap", "front", "certificate",
)  # fmt: skip

# HiGHS is right to about this relative error.
_TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked without finding a fault, and the keys of a document that nothing here looks at."""

    plans: int
    bounds: int
    front: bool
    left_out: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """One line of text."""
        told = f"checked: {self.plans} plans recomputed from the problem"
        if self.bounds:
            told += f", {self.bounds} bounds of the certificate solved anew by HiGHS"
        if self.front:
            told += ", nothing to gain between the corners of the front"
        unproven = "" if self.bounds or self.front else "; optimality itself has no second proof here"
        left_out = f"; not looked at: {', '.join(map(printable, self.left_out))}" if self.left_out else ""
        return f"{told}: no fault{unproven}{left_out}"

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        told = {"plans": self.plans, "bounds": self.bounds, "front": self.front, "faults": []}
        return told | ({"not_looked_at": list(self.left_out)} if self.left_out else {})


def check_answer(found: Answer) -> Checked:
    """Check an answer just found; HarnessError (exit 21) with the first fault."""
    result = Result(found.plan, found.plans, found.front, found.certificate)
    checked, faults = _check(result, found.question, found.problem, found.table)
    if faults:
        raise HarnessError(f"the answer does not hold: {faults[0]}", exit_code=EXIT_INFRASTRUCTURE)
    return checked


def check_document(told: dict[str, Any], question: Question, problem: Problem) -> Checked:
    """Check a document against the question and problem; HarnessError with the first fault."""
    _require_same_question(told, question, problem)
    table = stage_table(problem, question.rules, question.rates, question.sizes)
    result = read_result(told, problem, table)
    proven, gap = told.get("proven_optimal"), told.get("gap")
    checked, faults = _check(result, question, problem, table)
    if _ends_proven(question, problem, table):
        faults += [] if proven is True and gap == 0 else ["it says that it is not proven"]
    else:
        faults += _search_faults(result, proven, gap, question, problem)
    if faults:
        raise HarnessError(f"the result does not hold: {faults[0]}", where="--check")
    return replace(checked, left_out=tuple(sorted(name for name in told if name not in _READ)))


def _ends_proven(question: Question, problem: Problem, table: StageTable) -> bool:
    """Whether stages and limits alone decide, so that plans and bounds can be proven by other means."""
    fastest = float(table.tokens_per_s.max(initial=0))
    return not (question.contiguous or links_may_bind(problem, fastest))


def _search_faults(
    result: Result, proven: object, gap: object, question: Question, problem: Problem
) -> list[str]:
    """Where there is no second proof: in what the result differs from the same search done again."""
    again = answer(question, problem)
    faults = []
    if proven is not again.proven or gap != (again.gap if math.isfinite(again.gap) else None):
        faults.append(f"the search says proven_optimal {again.proven} with a gap of {again.gap:g}")
    for plan, other in zip_longest((result.plan, *result.plans), (again.plan, *again.plans)):
        if plan is None or other is None or not _as_good(plan, other):
            faults.append("the search finds another plan or front")
            break
    return faults


def _as_good(plan: Plan, other: Plan) -> bool:
    return all(
        math.isclose(a, b, rel_tol=_TOLERANCE)
        for a, b in ((plan.tokens_per_s, other.tokens_per_s), (plan.usd_per_hour, other.usd_per_hour))
    )


def _check(
    result: Result, question: Question, problem: Problem, table: StageTable
) -> tuple[Checked, list[str]]:
    """Every plan by itself; then the proof, where stages and limits alone decide."""
    plans = (result.plan, *result.plans)
    faults = _plan_faults(plans, question, problem)
    if not _ends_proven(question, problem, table):
        return Checked(len(plans), 0, False), faults
    front, certificate = result.front, result.certificate
    if question.limits != Limits():
        faults += [] if certificate is None else ["it has a certificate, which proves nothing within limits"]
        certificate = None
        faults += [] if front is None else _limited_faults(front, table, question.limits)
    elif certificate is None:
        faults.append("it has no certificate")
    else:
        faults += check_certificate(certificate, table)
        faults += [] if front is None else check_front(front, table)
    point = question.choose(front, problem.config) if front else None
    if front is None and certificate is not None:
        point = certificate.point
    if point is None or not math.isclose(result.plan.tokens_per_s, point.tokens_per_s, rel_tol=1e-9):
        faults.append(f"{question.goal} is not the plan with {result.plan.tokens_per_s} tokens/s")
    return Checked(len(plans), len(certificate.spans) if certificate else 0, front is not None), faults


def _limited_faults(front: Front, table: StageTable, limits: Limits) -> list[str]:
    """As `check_front`, over the plans within the limits."""
    tables, rows = parts(table, limits), latency_row(table, limits.prefill_s)

    def least_above(tokens_per_s: float) -> float:
        floors = table.thresholds[table.thresholds > tokens_per_s]
        found = [cheapest_choice(part, float(floors[0]), rows) for part in tables] if len(floors) else []
        return min((usd_of(choice, table) for choice in found if choice is not None), default=math.inf)

    faults, reached = [], 0.0
    for point in front.points:
        faults += check_point(point, table)
        if not any(_within(point, part, limits) for part in tables):
            faults.append(f"the plan with {point.tokens_per_s} tokens/s is beyond the limits")
        least = least_above(reached)
        if not math.isclose(least, point.usd_per_hour, rel_tol=_TOLERANCE):
            faults.append(f"more than {reached} tokens/s cost {least} usd/h, not {point.usd_per_hour}")
        reached = point.tokens_per_s
    if math.isfinite(least_above(reached)):
        faults.append(f"there is a plan for more than {reached} tokens/s")
    return faults


def _within(point: FrontPoint, part: StageTable, limits: Limits) -> bool:
    return (
        len(point.choice) <= part.most_stages
        and all(part.tokens_per_s[kind, layers] > 0 for kind, layers in point.choice)
        and prefill_s(part, point.choice) <= limits.prefill_s * (1 + _TOLERANCE)
    )


def _require_same_question(told: dict[str, Any], question: Question, problem: Problem) -> None:
    now = asked(question, problem)
    if told.get("problem") != now["problem"]:
        raise HarnessError(
            "the result is of another problem", where="--check", next_step="pass its --config-dir"
        )
    for fact in _FACTS:
        if told.get(fact) != now[fact]:
            raise HarnessError(
                f"the result has {fact} {told.get(fact)!r}, the question {now[fact]!r}",
                where="--check",
                next_step="ask the same question",
            )


def _plan_faults(plans: tuple[Plan, ...], question: Question, problem: Problem) -> list[str]:
    return [
        fault for plan in dict.fromkeys(plans)
        for fault in verify_plan(plan, problem, question.rules, question.rates)
    ]  # fmt: skip
