"""Check an answer by other means than those that found it: each plan anew, each bound by HiGHS."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.answer import Answer
from harness.placement.certificate import Certificate, Span, check_certificate, check_front, check_point
from harness.placement.cheapest import cheapest_choice
from harness.placement.front import Front, FrontPoint, usd_of
from harness.placement.limits import Limits, latency_row, parts, prefill_s
from harness.placement.plan import Plan, Stage, verify_plan
from harness.placement.problem import Problem
from harness.placement.question import Question
from harness.placement.rates import links_may_bind
from harness.placement.report import asked, certificate_document, plan_document
from harness.placement.segments import DOCUMENTED
from harness.placement.stages import StageTable, stage_table

_FACTS = ("rules", "rates", "sizes", "goal", "limits")


# HiGHS is right to about this relative error.
_TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True)
class Result:
    """A plan, the front it is from and that front's plans (none if it was left out), and the proof."""

    plan: Plan
    plans: tuple[Plan, ...]
    front: Front | None
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked without finding a fault."""

    plans: int
    bounds: int
    front: bool

    @property
    def line(self) -> str:
        """One line of text."""
        told = f"checked: {self.plans} plans recomputed from the problem"
        if self.bounds:
            told += f", {self.bounds} bounds of the certificate solved anew by HiGHS"
        if self.front:
            told += ", nothing to gain between the corners of the front"
        unproven = "" if self.bounds or self.front else "; optimality itself has no second proof here"
        return f"{told}: no fault{unproven}"

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {"plans": self.plans, "bounds": self.bounds, "front": self.front, "faults": []}


def check_answer(found: Answer) -> Checked:
    """Check an answer just found; HarnessError (exit 21) with the first fault."""
    result = Result(found.plan, found.plans, found.front, found.certificate)
    checked, faults = _check(result, found.question, found.problem, found.table)
    if faults:
        raise HarnessError(f"the answer does not hold: {faults[0]}", exit_code=EXIT_INFRASTRUCTURE)
    return checked


def read_document(path: Path) -> dict[str, Any]:
    """A document that `--json` wrote; HarnessError where it is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HarnessError(f"cannot be read as JSON ({error})", where=str(path)) from None
    if not isinstance(told, dict) or not isinstance(told.get("plan"), list):
        raise HarnessError("holds no plan", where=str(path), allowed="what `harness place --json` wrote")
    return told


def check_document(told: dict[str, Any], question: Question, problem: Problem) -> Checked:
    """Check a document against the question and problem; HarnessError with the first fault."""
    _require_same_question(told, question, problem)
    table = stage_table(problem, question.rules, question.rates, question.sizes)
    try:
        plans = tuple(_plan(each) for each in told["front"] or ())
        points = tuple(_point(each, problem, table) for each in plans)
        front = Front(points, 0, 0) if points else None
        result = Result(_plan(told), plans, front, _certificate(told["certificate"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise HarnessError(
            f"is not what `harness place --json` writes ({error!r})", where="--check"
        ) from None
    checked, faults = _check(result, question, problem, table)
    if faults:
        raise HarnessError(f"the result does not hold: {faults[0]}", where="--check")
    return checked


def _check(
    result: Result, question: Question, problem: Problem, table: StageTable
) -> tuple[Checked, list[str]]:
    """Every plan by itself; then the proof, where stages and limits alone decide."""
    plans = (result.plan, *result.plans)
    faults = _plan_faults(plans, question, problem)
    fastest = float(table.tokens_per_s.max(initial=0))
    if question.contiguous or question.rules == DOCUMENTED or links_may_bind(problem, fastest):
        return Checked(len(plans), 0, False), faults
    front, certificate = result.front, result.certificate
    if question.limits != Limits():
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
    if question.rules == DOCUMENTED:
        return []
    return [
        fault for plan in dict.fromkeys(plans)
        for fault in verify_plan(plan, problem, question.rules, question.rates)
    ]  # fmt: skip


def _plan(told: dict[str, Any]) -> Plan:
    stages = tuple(
        Stage(
            str(each["gpu_type"]), tuple(map(int, each["gpus"])), int(each["first_layer"]),
            int(each["last_layer"]), float(each["tokens_per_s"]),
        )
        for each in told["plan"]
    )  # fmt: skip
    plan = Plan(stages, float(told["tokens_per_s"]), float(told["usd_per_hour"]))
    for name in ("usd_per_million_tokens",):
        if not math.isclose(plan_document(plan)[name], told[name], rel_tol=1e-9):
            raise ValueError(f"{name} is {told[name]}")
    return plan


def _point(plan: Plan, problem: Problem, table: StageTable) -> FrontPoint:
    index = {gpu.name: g for g, gpu in enumerate(problem.pool)}
    classes = {pair: c for c, pair in enumerate(zip(table.type.tolist(), table.tp.tolist(), strict=True))}
    choice = sorted((classes[index[stage.gpu_type], stage.tp], stage.layers) for stage in plan.stages)
    return FrontPoint(plan.tokens_per_s, plan.usd_per_hour, tuple(choice))


def _certificate(told: dict[str, Any] | None) -> Certificate | None:
    if told is None:
        return None
    choice = tuple((int(kind), int(layers)) for kind, layers in told["choice"])
    point = FrontPoint(float(told["tokens_per_s"]), float(told["usd_per_hour"]), choice)
    spans = tuple(
        Span(*(float(each[name]) for name in ("from_tokens_per_s", "to_tokens_per_s", "usd_per_hour")))
        for each in told["spans"]
    )
    beyond = math.inf if told["no_plan_from"] is None else float(told["no_plan_from"])
    certificate = Certificate(point, spans, beyond)
    if certificate_document(certificate)["usd_per_million_tokens"] != told["usd_per_million_tokens"]:
        raise ValueError(f"usd_per_million_tokens is {told['usd_per_million_tokens']}")
    return certificate
