"""What if the pool were another: each change solved anew, against the present best plans."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.placement.exact.front import cheaper_token, exact_front, usd_of
from harness.placement.exact.ratio import cheapest_token
from harness.placement.exact.sweep import sweep
from harness.placement.plan import Plan
from harness.placement.problem import Problem
from harness.placement.rates import RateModel
from harness.placement.reasons.price_range import without_type
from harness.placement.segments import Rules
from harness.placement.stages import Choice, StageTable, lay_out, stage_table

# below this, figures differ by rounding only
SAME = 1e-9
# more GPUs of a type are tried in steps of a TP group
_MORE = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Change:
    """By how much the pool's cheapest token and the least cost at the plan's throughput change.

    In USD per million tokens and USD/h, negative where it gets cheaper, infinite where no plan is left.
    """

    usd_per_million_tokens: float
    usd_per_hour: float

    @property
    def matters(self) -> bool:
        """Whether anything changes."""
        return bool(self.usd_per_million_tokens or self.usd_per_hour)


class WhatIf:
    """Changes of one problem; `tokens_per_s` is the throughput at which the least cost is followed."""

    def __init__(
        self,
        problem: Problem,
        rules: Rules,
        rates: RateModel,
        sizes: tuple[int, ...] | None,
        table: StageTable,
        tokens_per_s: float,
    ) -> None:
        self.problem, self.table = problem, table
        self._rules, self._rates, self._sizes, self._floor = rules, rates, sizes, tokens_per_s
        self._best, there = self._solved(table)
        self.usd_per_million_tokens, self.usd_per_hour = _figures(self._best, there, table)
        self._affordable = None if self._best is None else self._within_budget(self._best, table)
        self._in_use = [self.used(index, self._best, there) for index in range(len(problem.pool))]

    def used(self, index: int, *choices: Choice | None) -> int:
        """The most GPUs of a type that one of the choices uses."""
        kinds = self.table.type == index
        return max(
            sum(int(self.table.tp[kind]) for kind, _ in choice or () if kinds[kind]) for choice in choices
        )

    def change(self, table: StageTable) -> Change:
        token, hour = _figures(*self._solved(table), table)
        return Change(_difference(token, self.usd_per_million_tokens), _difference(hour, self.usd_per_hour))

    def more(self, index: int) -> dict[int, Change]:
        """What each of `_MORE` GPUs of a type more change; nothing where the most of them do not."""
        count = self.problem.pool[index].count
        most = self._with_gpus(index, count + _MORE[-1])
        if self._monotone and not most.matters:
            return dict.fromkeys(_MORE, most)
        return {extra: self._with_gpus(index, count + extra) for extra in _MORE[:-1]} | {_MORE[-1]: most}

    def fewer(self, index: int) -> Change | None:
        """What one GPU of a type less changes: nothing where the best plans have one to spare."""
        count = self.problem.pool[index].count
        if not count:
            return None
        spare = self._monotone and self._in_use[index] < count
        return Change(0.0, 0.0) if spare else self._with_gpus(index, count - 1)

    def lost(self, index: int) -> Plan | None:
        """The cheapest token that `max_hourly_cost` allows without the type."""
        best = self._affordable
        if self.used(index, best):
            table = without_type(self.table, index)
            found = cheapest_token(table)
            best = None if found is None else self._within_budget(found.point.choice, table)
        return None if best is None else lay_out(best, self.table, self.problem)

    def _within_budget(self, choice: Choice, table: StageTable) -> Choice | None:
        """The cheapest token itself if the config's budget allows it, else the cheapest that it allows."""
        budget = self.problem.config.budget_usd_per_hour * (1 + SAME)
        if usd_of(choice, table) <= budget:
            return choice
        points = [point for point in exact_front(table).points if point.usd_per_hour <= budget]
        return cheaper_token(points).choice if points else None

    @property
    def _monotone(self) -> bool:
        """Whether plans never disappear when GPUs are added."""
        return not self._rules.tp_divides_count

    def _with_gpus(self, index: int, count: int) -> Change:
        """With another number of GPUs of a type, and so perhaps other TP degrees."""
        pool = list(self.problem.pool)
        pool[index] = replace(pool[index], count=count)
        problem = replace(self.problem, pool=tuple(pool))
        return self.change(stage_table(problem, self._rules, self._rates, self._sizes))

    def _solved(self, table: StageTable) -> tuple[Choice | None, Choice | None]:
        """The cheapest token, and the cheapest plan at the throughput."""
        best = cheapest_token(table)
        return None if best is None else best.point.choice, sweep(table, [self._floor])[0]


def _figures(best: Choice | None, there: Choice | None, table: StageTable) -> tuple[float, float]:
    """USD per million tokens of the one, USD/h of the other; infinite without."""
    token = math.inf if best is None else usd_of(best, table) / (3600.0 * table.rate(best)) * 1e6
    return token, math.inf if there is None else usd_of(there, table)


def _difference(figure: float, now: float) -> float:
    """Zero where two sums of the same prices differ in their last bits only."""
    return 0.0 if math.isclose(figure, now, rel_tol=SAME) else figure - now
