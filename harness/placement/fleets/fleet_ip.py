"""The cheapest whole fleet: an integer program over all pipelines that can be part of it.

A pipeline that lacks s USD/h of profit at the relaxation's prices makes every fleet with it cost the
relaxation's bound + s or more. So the best fleet of the others, if within that, is the best of all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from harness.placement.exact.front import usd_of
from harness.placement.exact.limits import Limits, oracle_of, parts
from harness.placement.fleets.fleet_lp import (
    Columns,
    Relaxed,
    capacity_program,
    fleet_program,
    gpus_of,
    learn,
    relaxed_capacity,
    usd_of_columns,
)
from harness.placement.fleets.near_best import Gpus, near_best
from harness.placement.fleets.pricing import Worth, profitable
from harness.placement.solver.highs import run_highs
from harness.placement.solver.program import Program
from harness.placement.stages import Choice, StageTable

_MARGIN = 1e-6
_SAME = 1e-9
# The first pipelines looked at lack this part of the bound, then twice, four times as much.
_FIRST_SLACK = 1 / 64

Counts = dict[Gpus, int]


@dataclass(frozen=True, slots=True)
class Effort:
    """Where the proof is given up: pipelines at choice, nodes and seconds of one integer program."""

    columns: int = 20_000
    nodes: int = 2_000
    time_limit_s: float = math.inf


@dataclass(frozen=True, slots=True)
class WholeFleet:
    """How many pipelines on which GPUs, what they cost (infinite: none found), and a bound on every fleet.

    An infinite bound proves that there is none. `columns` were at choice.
    """

    counts: Counts
    cost: float
    bound: float
    columns: int

    @property
    def proven(self) -> bool:
        """Whether no fleet costs less."""
        return _reaches(self.cost, self.bound)


def whole_fleet(
    table: StageTable, limits: Limits, columns: Columns, relaxed: Relaxed, effort: Effort
) -> WholeFleet:
    """The cheapest fleet found for the relaxation's demand, in USD/h; its `columns` grow."""
    demand = relaxed.worth.most
    search = _Search(
        table, limits, relaxed, effort, lambda some: fleet_program(table, some, demand), price_unit(table)
    )
    amounts = dict(zip(columns, relaxed.amounts.tolist(), strict=False))
    search.solve(columns)
    easy = bool(search.counts)
    if easy:
        search.prove()
    for start in () if search.closed() else ({}, {gpus: int(a + _SAME) for gpus, a in amounts.items()}):
        for counts in _greedy(table, limits, columns, relaxed, start):
            search.keep(counts, float(usd_of_columns(table, counts) @ list(counts.values())))
    if not search.closed():
        search.solve(columns)
    # Where fleets are hard to find the pool may be too small, which its capacity proves soonest.
    if not search.counts:
        capacity = relaxed_capacity(table, limits, columns)
        if -largest_whole_fleet(table, limits, columns, capacity, effort).bound < demand * (1 - _SAME):
            return WholeFleet({}, math.inf, math.inf, len(columns))
    if not easy:
        search.prove()
    return search.found()


def largest_whole_fleet(
    table: StageTable, limits: Limits, columns: Columns, relaxed: Relaxed, effort: Effort
) -> WholeFleet:
    """The fleet found with the most tokens/s, whose cost is minus that."""
    search = _Search(table, limits, relaxed, effort, lambda some: capacity_program(table, some), 0.0)
    search.solve(columns)
    search.prove()
    return search.found()


class _Search:
    """The best fleet and the best bound so far, on the cost that the program minimises."""

    def __init__(
        self,
        table: StageTable,
        limits: Limits,
        relaxed: Relaxed,
        effort: Effort,
        program: Callable[[Columns], Program],
        unit: float,
    ) -> None:
        self.table, self.limits, self.relaxed, self.effort = table, limits, relaxed, effort
        self.program, self.unit = program, unit if unit > 2 * _MARGIN else 0.0
        self.bound = self.next_cost(relaxed.bound)
        self.counts: Counts = {}
        self.cost, self.columns = math.inf, 0

    def found(self) -> WholeFleet:
        return WholeFleet(self.counts, self.cost, self.bound, self.columns)

    def next_cost(self, cost: float) -> float:
        """The least that a fleet can cost if not less than this: fleets cost multiples of the unit."""
        return math.ceil((cost - _MARGIN) / self.unit) * self.unit if self.unit else cost

    def closed(self) -> bool:
        return _reaches(self.cost, self.bound)

    def keep(self, counts: Counts, cost: float) -> None:
        if not _reaches(self.cost, cost):
            self.cost, self.counts = cost, counts

    def solve(self, columns: Columns) -> float:
        """Keep the best fleet of these columns; returns a bound on its cost, infinite when there is none."""
        self.columns = max(self.columns, len(columns))
        if not columns:
            return math.inf
        program = self.program(columns)
        # Costs less than a unit apart are the same.
        gap = 0.9 * self.unit / self.cost if 0 < self.cost < math.inf else 0.0
        outcome = run_highs(
            program, time_limit_s=self.effort.time_limit_s, gap=gap, most_nodes=self.effort.nodes
        )
        if outcome.status == "infeasible":
            return math.inf
        bound = -math.inf if math.isnan(outcome.bound) else self.next_cost(outcome.bound)
        if outcome.values is None:
            return bound
        amounts = np.rint(outcome.values)
        counts = zip(columns, amounts.astype(int).tolist(), strict=True)
        cost = math.fsum((program.objective * amounts).tolist())
        self.keep({gpus: count for gpus, count in counts if count}, cost)
        return cost if outcome.status == "optimal" and not gap else bound

    def prove(self) -> None:
        """Look at ever more pipelines until no other can improve the fleet, or they are too many."""
        # What a pipeline's latency is cannot be told from its GPUs.
        worth, known = self.relaxed.worth, math.isinf(self.limits.prefill_s)
        # No pipeline lacks more profit than all GPUs are worth.
        all_of_them = float(worth.usd_per_hour @ self.table.gpus) + 1
        slack = max(self.unit, abs(self.relaxed.bound) * _FIRST_SLACK, _MARGIN)
        while known and not self.closed():
            needed = self.cost - self.relaxed.bound - self.unit / 2
            slack = min(slack, max(needed, _MARGIN), all_of_them)
            columns = self.near_best(slack)
            if columns is None:
                return
            beyond = math.inf if slack == all_of_them else self.next_cost(self.relaxed.bound + slack)
            within = self.solve(columns)
            self.bound = max(self.bound, min(within, beyond))
            # Short of what lies beyond, the program ran out of nodes or time.
            if math.isinf(self.bound) or (within < beyond and not self.closed()):
                return
            slack *= 2

    def near_best(self, slack: float) -> Columns | None:
        """All pipelines that lack less profit than this; None when they are too many."""
        columns: Columns = {}
        for part in parts(self.table, self.limits):
            found = near_best(part, self.relaxed.worth, -slack - _MARGIN, self.effort.columns)
            if found is None:
                return None
            for gpus, rate in found.items():
                columns[gpus] = max(rate, columns.get(gpus, 0.0))
        return columns if len(columns) <= self.effort.columns else None


def _reaches(cost: float, other: float) -> bool:
    """Whether a cost is as low as another, up to the last digits."""
    return cost <= other or math.isclose(cost, other, rel_tol=_SAME)


def _greedy(
    table: StageTable, limits: Limits, columns: Columns, relaxed: Relaxed, start: Counts
) -> Iterator[Counts]:
    """Fleets that add the cheapest token again and again, ended by the cheapest plan for the rest."""
    oracle, counts, demand = oracle_of(limits), Counter(start), relaxed.worth.most
    while True:
        taken = np.array(list(counts.elements()), dtype=np.int64).reshape(-1, len(table.gpus))
        left = replace(table, gpus=table.gpus - taken.sum(axis=0))
        rest = demand - math.fsum(columns[gpus] for gpus in counts.elements())
        if rest <= demand * _SAME:
            yield dict(counts)
            return
        worth = Worth(table.usd_per_hour, relaxed.worth.usd_per_token_s, rest)
        found: list[Choice] = []
        for part in parts(left, limits):
            (tail,) = oracle(part, [rest])
            if tail is not None:
                learn(columns, table, [tail])
                yield dict(counts + Counter([gpus_of(table, tail)]))
            found += profitable(part, worth, oracle)[1]
        if not found:
            return
        learn(columns, table, found)
        cheapest = min(found, key=lambda c: usd_of(c, table) / min(table.rate(c), rest))
        counts[gpus_of(table, cheapest)] += 1


def price_unit(table: StageTable) -> float:
    """The largest amount that all prices are multiples of, in USD/h; 0 where all are 0."""
    exact = [Fraction(repr(price)) for price in table.usd_per_hour.tolist()]
    unit = math.lcm(*(price.denominator for price in exact))
    return math.gcd(*(int(price * unit) for price in exact)) / unit
