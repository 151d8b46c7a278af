"""What `--json` wrote, read back as plans, front and certificate: nothing in it is taken for granted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.placement.exact.certificate import Certificate, Span
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.output.report import certificate_document, plan_document
from harness.placement.plan import Plan, Stage
from harness.placement.problem import Problem
from harness.placement.stages import StageTable


@dataclass(frozen=True, slots=True)
class Result:
    """A plan, the front it is from and that front's plans (none if it was left out), and the proof."""

    plan: Plan
    plans: tuple[Plan, ...]
    front: Front | None
    certificate: Certificate | None


def read_document(path: Path) -> dict[str, Any]:
    """A document that `--json` wrote; HarnessError where it is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HarnessError(f"cannot be read as JSON ({error})", where=str(path)) from None
    if not isinstance(told, dict) or not isinstance(told.get("plan"), list):
        raise HarnessError("holds no plan", where=str(path), allowed="what `harness place --json` wrote")
    return told


def read_result(told: dict[str, Any], problem: Problem, table: StageTable) -> Result:
    """The document's plans, front and certificate; HarnessError where it contradicts itself."""
    try:
        plans = tuple(_plan(each, problem) for each in told["front"] or ())
        points = tuple(_point(each, problem, table) for each in plans)
        front = Front(points, 0, 0) if points else None
        return Result(_plan(told, problem), plans, front, _certificate(told["certificate"], table))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise HarnessError(
            f"is not what `harness place --json` writes ({error!r})", where="--check"
        ) from None


def _plan(told: dict[str, Any], problem: Problem) -> Plan:
    stages = tuple(_stage(each, problem.layers) for each in told["plan"])
    if not stages:
        raise ValueError("a plan without stages")
    plan = Plan(stages, _figure(told["tokens_per_s"]), _figure(told["usd_per_hour"]))
    if not plan.tokens_per_s:
        raise ValueError("a plan that makes no tokens")
    now = plan_document(plan)
    if now["plan"] != told["plan"]:
        raise ValueError("the figures of a stage contradict each other")
    if not math.isclose(now["usd_per_million_tokens"], told["usd_per_million_tokens"], rel_tol=1e-9):
        raise ValueError(f"usd_per_million_tokens is {told['usd_per_million_tokens']}")
    return plan


def _stage(told: dict[str, Any], layers: int) -> Stage:
    first, last = _whole(told["first_layer"], 1, layers), _whole(told["last_layer"], 1, layers)
    gpus = tuple(_whole(gpu, 0, None) for gpu in told["gpus"])
    return Stage(str(told["gpu_type"]), gpus, first, last, _figure(told["tokens_per_s"]))


def _figure(told: Any) -> float:
    """A finite number, 0 or more; ValueError or TypeError for anything else."""
    if isinstance(told, bool) or not 0 <= told < math.inf:
        raise ValueError(f"{told!r} is no figure")
    return float(told)


def _whole(told: Any, least: int, most: int | None) -> int:
    if (
        not isinstance(told, int)
        or isinstance(told, bool)
        or told < least
        or (most is not None and told > most)
    ):
        raise ValueError(f"{told!r} is out of range")
    return told


def _point(plan: Plan, problem: Problem, table: StageTable) -> FrontPoint:
    index = {gpu.name: g for g, gpu in enumerate(problem.pool)}
    classes = {pair: c for c, pair in enumerate(zip(table.type.tolist(), table.tp.tolist(), strict=True))}
    choice = sorted((classes[index[stage.gpu_type], stage.tp], stage.layers) for stage in plan.stages)
    return FrontPoint(plan.tokens_per_s, plan.usd_per_hour, tuple(choice))


def _certificate(told: dict[str, Any] | None, table: StageTable) -> Certificate | None:
    if told is None:
        return None
    choice = tuple(
        (_whole(kind, 0, len(table.tp) - 1), _whole(layers, 1, table.layers))
        for kind, layers in told["choice"]
    )
    point = FrontPoint(_figure(told["tokens_per_s"]), _figure(told["usd_per_hour"]), choice)
    spans = tuple(
        Span(*(_figure(each[name]) for name in ("from_tokens_per_s", "to_tokens_per_s", "usd_per_hour")))
        for each in told["spans"]
    )
    if not all([point.tokens_per_s, *(span.to_tokens_per_s for span in spans)]):
        raise ValueError("a throughput of 0")
    beyond = math.inf if told["no_plan_from"] is None else _figure(told["no_plan_from"])
    certificate = Certificate(point, spans, beyond)
    if certificate_document(certificate)["usd_per_million_tokens"] != told["usd_per_million_tokens"]:
        raise ValueError(f"usd_per_million_tokens is {told['usd_per_million_tokens']}")
    return certificate
