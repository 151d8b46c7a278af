"""The cheapest whole fleet: an integer program over all pipelines that can be part of it.

A pipeline that lacks s USD/h of profit at the relaxation's prices makes every fleet with it cost the
relaxation's bound + s or more. So the best fleet of the others, if within that, is the best of all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from harness.placement.fleet_lp import Columns, Relaxed, fleet_program, gpus_of, learn
from harness.placement.front import usd_of
from harness.placement.highs import run_highs
from harness.placement.limits import Limits, oracle_of, parts
from harness.placement.near_best import Gpus, near_best
from harness.placement.pricing import Worth, profitable
from harness.placement.stages import Choice, StageTable

_MARGIN = 1e-6
_SAME = 1e-9
# The first pipelines looked at lack this part of the bound, then twice, four times as much.
_FIRST_SLACK = 1 / 64

Counts = dict[Gpus, int]


@dataclass(frozen=True, slots=True)
class WholeFleet:
    """How many pipelines on which GPUs, what they cost (infinite: none found), and a bound on every fleet.

    An infinite bound proves that there is none. `columns` were at choice.
    """

    counts: Counts
    usd_per_hour: float
    bound: float
    columns: int

    @property
    def proven(self) -> bool:
        """Whether no fleet costs less."""
        return self.usd_per_hour <= self.bound * (1 + _SAME)


@dataclass(frozen=True, slots=True)
class Effort:
    """Where the proof is given up: pipelines at choice, and seconds for one integer program."""

    columns: int = 20_000
    time_limit_s: float = 60.0


def whole_fleet(
    table: StageTable, limits: Limits, columns: Columns, relaxed: Relaxed, effort: Effort
) -> WholeFleet:
    """The best fleet found of whole pipelines; `columns` are those of the relaxation, and grow."""
    search = _Search(table, limits, columns, relaxed, effort)
    search.solve(columns)
    # Latency limits are not seen from the GPUs of a pipeline.
    if math.isinf(limits.prefill_s):
        search.prove()
    if not search.closed():
        started = {gpus: int(a + _SAME) for gpus, a in zip(columns, relaxed.amounts.tolist(), strict=False)}
        for start in ({}, {gpus: count for gpus, count in started.items() if count}):
            for counts in search.greedy(start):
                search.keep(counts)
        search.solve(columns)
    return WholeFleet(search.counts, search.usd, search.bound, search.columns_seen)


class _Search:
    """The best fleet and the best bound so far."""

    def __init__(
        self, table: StageTable, limits: Limits, columns: Columns, relaxed: Relaxed, effort: Effort
    ) -> None:
        self.table, self.limits, self.columns = table, limits, columns
        self.relaxed, self.effort, self.demand = relaxed, effort, relaxed.worth.most
        self.unit = price_unit(table)
        self.bound = self.next_cost(relaxed.bound)
        self.counts: Counts = {}
        self.usd, self.columns_seen = math.inf, len(columns)

    def next_cost(self, usd: float) -> float:
        """The least that a fleet can cost if not less than this: a multiple of the unit of all prices."""
        return math.ceil((usd - _MARGIN) / self.unit) * self.unit if self.unit > 2 * _MARGIN else usd

    def closed(self) -> bool:
        return self.usd <= self.bound * (1 + _SAME)

    def keep(self, counts: Counts) -> None:
        prices = self.table.usd_per_hour.tolist()
        usd = math.fsum(
            n * price * count for gpus, count in counts.items() for n, price in zip(gpus, prices, strict=True)
        )
        if usd < self.usd * (1 - _SAME):
            self.usd, self.counts = usd, counts

    def solve(self, columns: Columns) -> bool:
        """Keep the best fleet of these columns; whether that is settled, be it that there is none."""
        self.columns_seen = max(self.columns_seen, len(columns))
        program = fleet_program(self.table, columns, self.demand)
        outcome = run_highs(program, time_limit_s=self.effort.time_limit_s)
        if outcome.values is not None:
            counts = np.rint(outcome.values).astype(int).tolist()
            self.keep({gpus: count for gpus, count in zip(columns, counts, strict=True) if count})
        return outcome.status in ("optimal", "infeasible")

    def prove(self) -> None:
        """Look at ever more pipelines until no other can improve the fleet, or they are too many."""
        worth, profits = self.relaxed.worth, float(self.relaxed.worth.usd_per_hour @ self.table.gpus) + 1
        slack = max(self.unit, self.relaxed.bound * _FIRST_SLACK)
        while not self.closed():
            # A better fleet costs a unit less; no pipeline lacks more than all GPUs are worth.
            needed = self.usd - self.relaxed.bound - (self.unit / 2 if self.unit > 2 * _MARGIN else 0.0)
            slack = min(slack, max(needed, _MARGIN), profits)
            columns: Columns = {}
            for part in parts(self.table, self.limits):
                found = near_best(part, worth, -slack - _MARGIN, self.effort.columns)
                if found is None or len(columns) + len(found) > self.effort.columns:
                    return
                for gpus, rate in found.items():
                    columns[gpus] = max(rate, columns.get(gpus, 0.0))
            if columns and not self.solve(columns):
                return
            beyond = math.inf if slack == profits else self.next_cost(self.relaxed.bound + slack)
            self.bound = max(self.bound, min(self.usd, beyond))
            if math.isinf(self.bound):
                return
            slack *= 2

    def greedy(self, start: Counts) -> Iterator[Counts]:
        """Fleets that add the cheapest token again and again, ended by the cheapest plan for the rest."""
        oracle, counts = oracle_of(self.limits), Counter(start)
        while True:
            taken = np.array(list(counts.elements()), dtype=np.int64).reshape(-1, len(self.table.gpus))
            left = replace(self.table, gpus=self.table.gpus - taken.sum(axis=0))
            rest = self.demand - math.fsum(self.columns[gpus] for gpus in counts.elements())
            if rest <= self.demand * _SAME:
                yield dict(counts)
                return
            worth = Worth(self.table.usd_per_hour, self.relaxed.worth.usd_per_token_s, rest)
            found: list[Choice] = []
            for part in parts(left, self.limits):
                (tail,) = oracle(part, [rest])
                if tail is not None:
                    learn(self.columns, self.table, [tail])
                    yield dict(counts + Counter([gpus_of(self.table, tail)]))
                found += profitable(part, worth, oracle)[1]
            if not found:
                return
            learn(self.columns, self.table, found)
            cheapest = min(found, key=lambda c: usd_of(c, self.table) / min(self.table.rate(c), rest))
            counts[gpus_of(self.table, cheapest)] += 1


def price_unit(table: StageTable) -> float:
    """The largest amount that all prices are multiples of, in USD/h; 0 where all are 0."""
    exact = [Fraction(repr(price)) for price in table.usd_per_hour.tolist()]
    unit = math.lcm(*(price.denominator for price in exact))
    return math.gcd(*(int(price * unit) for price in exact)) / unit
