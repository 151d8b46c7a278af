"""Fronts under further limits on a plan: prefill latency, stages, one GPU type, one TP degree.

Latency adds up over stages, so it is one more row of the floor program; the other limits leave tables
that the sweep solves by itself. Layers are contiguous in every plan that is laid out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import HarnessError
from harness.placement.exact.cheapest import AdditiveLimit, cheapest_choice
from harness.placement.exact.front import Front, Oracle, exact_front, pareto
from harness.placement.exact.sweep import sweep
from harness.placement.stages import Choice, StageTable

# A sum of latencies may differ from its limit in the last bits.
_SLACK = 1 + 1e-9
# HiGHS keeps a row within 1e-6: this many units to the limit make that _SLACK.
_UNITS = 1e3


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan must keep to besides its problem; the default allows every plan.

    `prefill_s` is the most seconds that one prompt may spend in all stages together, `stages` the most
    stages. `single_type` and `uniform_tp`: all stages on one GPU type, all of one TP degree (as a
    single vLLM launch needs it). HarnessError when a figure is not positive.
    """

    prefill_s: float = math.inf
    stages: int | None = None
    single_type: bool = False
    uniform_tp: bool = False

    def __post_init__(self) -> None:
        if not self.prefill_s > 0:
            raise HarnessError(f"a prefill limit of {self.prefill_s} s", allowed="more than 0 s")
        if self.stages is not None and self.stages < 1:
            raise HarnessError(f"a limit of {self.stages} stages", allowed="1 or more")


def limited_front(table: StageTable, limits: Limits) -> Front:
    """The exact front of the plans within the limits; choices keep the table's class numbers."""
    oracle = oracle_of(limits)
    fronts = [exact_front(part, oracle) for part in parts(table, limits)]
    points = pareto(point for front in fronts for point in front.points)
    return Front(points, len(table.thresholds), sum(front.visited for front in fronts))


def oracle_of(limits: Limits) -> Oracle:
    """Cheapest choices within the latency limit: the sweep's where they keep it, else the floor program's."""
    most_s = limits.prefill_s
    if math.isinf(most_s):
        return sweep

    def cheapest(table: StageTable, floors: Sequence[float]) -> list[Choice | None]:
        rows = latency_row(table, most_s)
        found: dict[float, Choice | None] = {}
        reached, last = -math.inf, None
        for floor, free in sorted(zip(floors, sweep(table, floors), strict=True), key=lambda pair: pair[0]):
            # Plans get dearer with the floor: one that reaches the next floor is the cheapest there.
            if floor > reached:
                if free is None or prefill_s(table, free) <= most_s * _SLACK:
                    last = free
                else:
                    last = cheapest_choice(table, floor, rows)
                reached = math.inf if last is None else table.rate(last)
            found[floor] = last
        return [found[floor] for floor in floors]

    return cheapest


def parts(table: StageTable, limits: Limits) -> list[StageTable]:
    """Tables that together hold the plans within the limits on stages, type and TP, and others only
    that take too long; each has all classes, those it leaves out at 0 tokens/s."""
    most_stages = table.most_stages if limits.stages is None else min(limits.stages, table.most_stages)
    fast = np.where(table.prefill_s <= limits.prefill_s * _SLACK, table.tokens_per_s, 0.0)
    label = np.stack([table.type * limits.single_type, table.tp * limits.uniform_tp])
    return [
        replace(
            table,
            most_stages=most_stages,
            tokens_per_s=np.where((label == one[:, None]).all(axis=0)[:, None], fast, 0.0),
        )
        for one in np.unique(label, axis=1).T
    ]


def prefill_s(table: StageTable, choice: Choice) -> float:
    """Seconds that one prompt spends in these stages."""
    return math.fsum(float(table.prefill_s[kind, layers]) for kind, layers in choice)


def latency_row(table: StageTable, most_s: float) -> tuple[AdditiveLimit, ...]:
    """The limit as rows of the floor program: none where there is no limit."""
    if math.isinf(most_s):
        return ()
    return (AdditiveLimit(table.prefill_s * (_UNITS / most_s), _UNITS),)
