"""A proof that a plan has the cheapest token, and its check by other means than those that found it.

The proof is a list of spans of throughput. Cost never falls as the floor rises, so whatever runs
inside a span costs at least what the cheapest plan at its lower end costs. If even its upper end at
that cost is no better than the plan's own ratio, nothing inside is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.stages import Choice, StageTable

# HiGHS is right to about this relative error.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Span:
    """Every plan with `from_tokens_per_s` to `to_tokens_per_s` costs at least `usd_per_hour`."""

    from_tokens_per_s: float
    to_tokens_per_s: float
    usd_per_hour: float

    @property
    def usd_per_million_tokens(self) -> float:
        """No plan in the span has a cheaper token."""
        return self.usd_per_hour / (3600.0 * self.to_tokens_per_s) * 1e6


@dataclass(frozen=True, slots=True)
class Certificate:
    """The plan, and spans that cover every throughput up to the fastest feasible one.

    `no_plan_from` is the lowest candidate throughput that no plan reaches, infinite if all are reached.
    """

    point: FrontPoint
    spans: tuple[Span, ...]
    no_plan_from: float = math.inf

    @property
    def tightest(self) -> Span:
        """The span whose bound comes closest to the plan."""
        return min(self.spans, key=lambda span: span.usd_per_million_tokens)


def certificate_of(front: Front, table: StageTable) -> Certificate | None:
    """The proof that follows from a whole front: each span begins where one of its steps does."""
    point = front.cheapest_token()
    if point is None:
        return None
    thresholds = table.thresholds
    spans, first = [], 0
    fastest = front.points[-1].tokens_per_s
    while first < len(thresholds) and thresholds[first] <= fastest:
        floor = float(thresholds[first])
        step = front.cheapest_at(floor)
        assert step is not None
        carries = max(reach(step.usd_per_hour, point), step.tokens_per_s)
        first = int(np.searchsorted(thresholds, min(carries, fastest), side="right"))
        spans.append(Span(floor, float(thresholds[first - 1]), step.usd_per_hour))
    beyond = float(thresholds[first]) if first < len(thresholds) else math.inf
    return Certificate(point, tuple(spans), beyond)


def reach(usd_per_hour: float, best: FrontPoint) -> float:
    """The tokens/s up to which whatever costs `usd_per_hour` has no cheaper token than the best plan."""
    return usd_per_hour / best.usd_per_hour * best.tokens_per_s if best.usd_per_hour else math.inf


def check_certificate(certificate: Certificate, table: StageTable) -> tuple[str, ...]:
    """What is wrong with a proof; empty when nothing is. Each bound is solved anew, as a MILP by HiGHS."""
    point = certificate.point
    faults = check_point(point, table)
    reached = -math.inf
    for span in certificate.spans:
        gap = _between(table, reached, span.from_tokens_per_s)
        if gap is not None:
            faults.append(f"no span covers {gap} tokens/s")
        reached = max(reached, span.to_tokens_per_s)
        if span.usd_per_million_tokens < point.usd_per_million_tokens * (1 - _TOLERANCE):
            faults.append(f"the bound of the span from {span.from_tokens_per_s} tokens/s is below the plan")
        least = least_usd(table, span.from_tokens_per_s)
        if least < span.usd_per_hour * (1 - _TOLERANCE):
            faults.append(f"{least} usd/h buy {span.from_tokens_per_s} tokens/s, not {span.usd_per_hour}")
    gap = _between(table, reached, certificate.no_plan_from)
    if gap is not None:
        faults.append(f"no span covers {gap} tokens/s")
    if math.isfinite(certificate.no_plan_from) and math.isfinite(least_usd(table, certificate.no_plan_from)):
        faults.append(f"there is a plan for {certificate.no_plan_from} tokens/s")
    return tuple(faults)


def check_front(front: Front, table: StageTable) -> tuple[str, ...]:
    """What is wrong with a front; empty when nothing is: between two corners there is nothing to gain."""
    faults, reached = [], 0.0
    for point in front.points:
        faults += check_point(point, table)
        floor = _between(table, reached, math.inf)
        least = math.inf if floor is None else least_usd(table, floor)
        if not math.isclose(least, point.usd_per_hour, rel_tol=_TOLERANCE):
            faults.append(f"more than {reached} tokens/s cost {least} usd/h, not {point.usd_per_hour}")
        reached = point.tokens_per_s
    floor = _between(table, reached, math.inf)
    if floor is not None and math.isfinite(least_usd(table, floor)):
        faults.append(f"there is a plan for {floor} tokens/s")
    return tuple(faults)


def check_point(point: FrontPoint, table: StageTable) -> list[str]:
    """What is wrong with a choice of stages and its figures."""
    faults, used = [], np.zeros(len(table.gpus), dtype=np.int64)
    for kind, layers in point.choice:
        used[table.type[kind]] += table.tp[kind]
        if not table.tokens_per_s[kind, layers] >= point.tokens_per_s:
            faults.append(f"class {kind} with {layers} layers is slower than the plan")
    if sum(layers for _, layers in point.choice) != table.layers:
        faults.append(f"the stages do not hold {table.layers} layers")
    if len(point.choice) > table.most_stages:
        faults.append(f"{len(point.choice)} stages, at most {table.most_stages}")
    faults += [f"type {g} has {table.gpus[g]} GPUs, not {used[g]}" for g in np.flatnonzero(used > table.gpus)]
    if not math.isclose(float(used @ table.usd_per_hour), point.usd_per_hour, rel_tol=_TOLERANCE):
        faults.append(f"the stages do not cost {point.usd_per_hour} usd/h")
    return faults


def least_usd(table: StageTable, tokens_per_s: float) -> float:
    """USD/h of the cheapest plan at a floor by the MILP; infinite when there is none."""
    choice: Choice | None = cheapest_choice(table, tokens_per_s)
    if choice is None:
        return math.inf
    kinds = [kind for kind, _ in choice]
    return math.fsum((table.usd_per_hour[table.type[kinds]] * table.tp[kinds]).tolist())


def _between(table: StageTable, low: float, high: float) -> float | None:
    """The lowest candidate throughput above `low` and below `high`, as nothing may lie there unseen."""
    inside = table.thresholds[(table.thresholds > low) & (table.thresholds < high)]
    return float(inside[0]) if len(inside) else None
