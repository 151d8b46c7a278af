"""Replicas for a demand: the pipelines that together serve so many tokens/s for the least money.

A linear programme over fractions of pipelines bounds the cost (`fleet_lp`), an integer program over the
pipelines that can still matter finds the fleet (`fleet_ip`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import HarnessError
from harness.placement.exact.front import FrontPoint
from harness.placement.exact.limits import Limits, limited_front, oracle_of, parts
from harness.placement.fleets.fleet_ip import Counts, Effort, largest_whole_fleet, whole_fleet
from harness.placement.fleets.fleet_lp import Columns, learn, relaxed_capacity, relaxed_fleet
from harness.placement.fleets.pricing import useful_floors
from harness.placement.plan import Plan, Stage, Status, plan_of
from harness.placement.problem import Problem
from harness.placement.stages import Choice, StageTable

_SAME = 1e-9
_FLOORS_AT_FIRST = 8


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`count` replicas of one plan, each with this throughput and cost."""

    count: int
    tokens_per_s: float
    usd_per_hour: float
    choice: Choice


@dataclass(frozen=True, slots=True)
class Fleet:
    """Pipelines that serve the demand within the pool.

    `optimal`: no fleet costs less. `feasible`: the gap to `lower_bound_usd_per_hour` is open.
    `infeasible`: no fleet serves the demand; `most_tokens_per_s` is what the pool can serve, or a bound on
    it (NaN where there is a fleet). `no plan found`: neither a fleet nor that proof. `lp_usd_per_hour` is
    the bound by fractions of pipelines, `columns` the most pipelines at choice in one program.
    """

    status: Status
    demand_tokens_per_s: float
    pipelines: tuple[Pipeline, ...] = ()
    lower_bound_usd_per_hour: float = math.nan
    lp_usd_per_hour: float = math.nan
    columns: int = 0
    most_tokens_per_s: float = math.nan

    @property
    def tokens_per_s(self) -> float:
        """Throughput of all pipelines together."""
        return math.fsum(p.count * p.tokens_per_s for p in self.pipelines)

    @property
    def usd_per_hour(self) -> float:
        """Cost of all pipelines together; NaN without any."""
        if not self.pipelines:
            return math.nan
        return math.fsum(p.usd_per_hour for p in self.pipelines for _ in range(p.count))

    @property
    def gap(self) -> float:
        """How much of the cost the lower bound leaves open, 0 to 1; NaN without a fleet or a bound."""
        usd = self.usd_per_hour
        return max(0.0, usd - self.lower_bound_usd_per_hour) / usd if usd else usd

    @property
    def proven(self) -> bool:
        """Whether the answer is known to be the best there is."""
        return self.status in ("optimal", "infeasible")


def fleet(
    table: StageTable,
    demand_tokens_per_s: float,
    limits: Limits | None = None,
    effort: Effort | None = None,
) -> Fleet:
    """The cheapest fleet for this demand, each of its pipelines within the limits.

    With a latency limit, or beyond the effort, it may be the best one found only: `feasible`, with its gap.
    HarnessError when the demand is not a positive number.
    """
    demand, within = demand_tokens_per_s, limits or Limits()
    if not 0 < demand < math.inf:
        raise HarnessError(f"a demand of {demand:g} tokens/s", allowed="more than 0")
    columns = _first_columns(table, within, demand)
    if not columns:
        return Fleet("infeasible", demand, most_tokens_per_s=0.0)
    most = -relaxed_capacity(table, within, columns, demand).bound
    relaxed = relaxed_fleet(table, within, columns, demand) if most >= demand * (1 - _SAME) else None
    whole = None if relaxed is None else whole_fleet(table, within, columns, relaxed, effort or Effort())
    if relaxed is None or whole is None or math.isinf(whole.bound):
        most = largest_fleet(table, within, effort).most_tokens_per_s
        return Fleet("infeasible", demand, columns=len(columns), most_tokens_per_s=most)
    status: Status = "optimal" if whole.proven else "feasible" if whole.counts else "no plan found"
    pipelines = _pipelines(table, within, whole.counts)
    bound = min(whole.bound, whole.cost)
    return Fleet(status, demand, pipelines, bound, relaxed.bound, whole.columns)


def largest_fleet(table: StageTable, limits: Limits | None = None, effort: Effort | None = None) -> Fleet:
    """The fleet with the most tokens/s, which are its demand; `most_tokens_per_s` is the bound on them.

    It need not be the cheapest of that throughput.
    """
    within = limits or Limits()
    columns = _first_columns(table, within, math.inf)
    if not columns:
        return Fleet("infeasible", 0.0, most_tokens_per_s=0.0)
    relaxed = relaxed_capacity(table, within, columns)
    whole = largest_whole_fleet(table, within, columns, relaxed, effort or Effort())
    status: Status = "optimal" if whole.proven else "feasible"
    pipelines = _pipelines(table, within, whole.counts)
    return Fleet(status, -whole.cost, pipelines, columns=whole.columns, most_tokens_per_s=-whole.bound)


def _first_columns(table: StageTable, limits: Limits, demand: float) -> Columns:
    """The cheapest plans at some floors, the lowest and the highest that are of use among them."""
    columns: Columns = {}
    oracle = oracle_of(limits)
    for part in parts(table, limits):
        floors = useful_floors(part, demand)
        if len(floors):
            some = floors[np.unique(np.linspace(0, len(floors) - 1, _FLOORS_AT_FIRST).astype(int))]
            learn(columns, table, [choice for choice in oracle(part, some.tolist()) if choice is not None])
    return columns


def _pipelines(table: StageTable, limits: Limits, counts: Counts) -> tuple[Pipeline, ...]:
    """The fastest plan on each of these GPUs, fastest first."""
    points: Counter[FrontPoint] = Counter()
    for gpus, count in counts.items():
        own = replace(table, gpus=np.array(gpus, dtype=np.int64))
        points[limited_front(own, limits).points[-1]] += count
    return tuple(
        Pipeline(count, point.tokens_per_s, point.usd_per_hour, point.choice)
        for point, count in sorted(points.items(), key=lambda item: (-item[0].tokens_per_s, item[0].choice))
    )


def lay_out_fleet(found: Fleet, table: StageTable, problem: Problem) -> tuple[Plan, ...]:
    """One plan per replica, on GPUs of its own.

    All groups of a type are placed by descending TP, so that each is an aligned block of its size.
    """
    replicas = [pipeline.choice for pipeline in found.pipelines for _ in range(pipeline.count)]
    groups = sorted(
        ((kind, layers, number) for number, choice in enumerate(replicas) for kind, layers in choice),
        key=lambda group: (table.type[group[0]], -table.tp[group[0]], group[2], -group[1]),
    )
    used, reached = list(problem.first_gpus), [1] * len(replicas)
    stages: list[list[Stage]] = [[] for _ in replicas]
    for kind, layers, number in groups:
        index, tp, first = int(table.type[kind]), int(table.tp[kind]), reached[number]
        gpus = tuple(range(used[index], used[index] + tp))
        rate = float(table.tokens_per_s[kind, layers])
        stages[number].append(Stage(problem.pool[index].name, gpus, first, first + layers - 1, rate))
        used[index] += tp
        reached[number] += layers
    return tuple(plan_of(own, problem) for own in stages)
