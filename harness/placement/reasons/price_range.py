"""Between which prices of one GPU type a plan stays the best, exactly.

As a function of that price p every plan is a line (a + u p) / T, with a the cost of its other GPUs and u its
GPUs of the type. The best plans make a concave curve; a plan is best where its line touches it. From a
price so far out that another line is below, the tangent search goes to where that line crosses the
plan's own, solves there again, and stops where nothing is below any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from harness.placement.exact.front import usd_of
from harness.placement.exact.ratio import cheapest_token
from harness.placement.exact.sweep import sweep
from harness.placement.stages import Choice, StageTable

_SAME = 1e-9
# Free GPUs leave a search nothing to prune by, so that it is asked for them last.
_DOWNWARDS = (0.5, 0.125, 0.0)


@dataclass(frozen=True, slots=True)
class Aim:
    """What a plan is best at: `solve` finds the best choice, `tokens_per_s` what its cost is divided by."""

    solve: Callable[[StageTable], Choice | None]
    tokens_per_s: Callable[[Choice], float]


@dataclass(frozen=True, slots=True)
class PriceRange:
    """USD/h of one GPU from `low` to `high` (infinite: at any price) keep the plan the best.

    Below and above another one takes over; None where the range has no such end.
    """

    low: float
    high: float
    below: Choice | None
    above: Choice | None


def cheapest_token_aim(table: StageTable) -> Aim:
    """The lowest USD per token."""

    def solve(priced: StageTable) -> Choice | None:
        found = cheapest_token(priced)
        return None if found is None else found.point.choice

    return Aim(solve, table.rate)


def cheapest_at_aim(tokens_per_s: float) -> Aim:
    """The lowest USD/h at this throughput or more."""
    return Aim(lambda priced: sweep(priced, [tokens_per_s])[0], lambda _: 1.0)


def price_range(table: StageTable, of_type: int, choice: Choice, aim: Aim) -> PriceRange:
    """The range of a type's price, all else equal, for a choice that is the best at the table's prices."""
    now = float(table.usd_per_hour[of_type])
    curve = _Curve(table, of_type, aim)
    low, below = curve.leave_downwards(choice)
    high, above = curve.leave_upwards(choice)
    return PriceRange(min(low, now), max(high, now), below, above)


def without_type(table: StageTable, of_type: int) -> StageTable:
    """The same classes, but this type has no stages and no GPUs."""
    gpus = table.gpus.copy()
    gpus[of_type] = 0
    exists = (table.type != of_type)[:, None]
    return replace(table, gpus=gpus, tokens_per_s=np.where(exists, table.tokens_per_s, 0.0))


@dataclass(frozen=True, slots=True)
class _Line:
    """USD per unit of the aim at price 0, and per USD of price."""

    fixed: float
    slope: float

    def at(self, price: float) -> float:
        return self.fixed + self.slope * price

    def crosses(self, other: _Line) -> float:
        return max(0.0, (other.fixed - self.fixed) / (self.slope - other.slope))


@dataclass(frozen=True, slots=True)
class _Curve:
    """The best over the price of one type."""

    table: StageTable
    of_type: int
    aim: Aim

    def line(self, choice: Choice) -> _Line:
        table, divisor = self.table, self.aim.tokens_per_s(choice)
        used = sum(int(table.tp[kind]) for kind, _ in choice if table.type[kind] == self.of_type)
        return _Line(usd_of(choice, self.priced(0.0)) / divisor, used / divisor)

    def priced(self, price: float) -> StageTable:
        usd = self.table.usd_per_hour.copy()
        usd[self.of_type] = price
        return replace(self.table, usd_per_hour=usd)

    def leave_upwards(self, choice: Choice) -> tuple[float, Choice | None]:
        own = self.line(choice)
        if not own.slope:
            return math.inf, None
        other = self.aim.solve(without_type(self.table, self.of_type))
        if other is None:
            other = self.aim.solve(self._only_this_type_costs())
        if other is None or self.line(other).slope >= own.slope * (1 - _SAME):
            return math.inf, None
        return self._towards(own, other)

    def leave_downwards(self, choice: Choice) -> tuple[float, Choice | None]:
        own = self.line(choice)
        if not own.fixed:
            # a line through the origin that is lowest somewhere is lowest all the way down
            return 0.0, None
        now = float(self.table.usd_per_hour[self.of_type])
        for share in _DOWNWARDS:
            price = now * share
            other = self.aim.solve(self.priced(price))
            if other is not None and self.line(other).at(price) < own.at(price) * (1 - _SAME):
                return self._towards(own, other)
        return 0.0, None

    def _only_this_type_costs(self) -> StageTable:
        usd = np.zeros_like(self.table.usd_per_hour)
        usd[self.of_type] = 1.0
        return replace(self.table, usd_per_hour=usd)

    def _towards(self, own: _Line, other: Choice) -> tuple[float, Choice]:
        """Where the last line that is below the plan's own crosses it."""
        while True:
            price = own.crosses(self.line(other))
            found = self.aim.solve(self.priced(price))
            if found is None or self.line(found).at(price) >= own.at(price) * (1 - _SAME):
                return price, other
            other = found
