"""What the documented symmetry rows leave of a plan: per GPU type one TP degree and a number of groups.

Group i is used only after group i - 1, and group 0 of every TP degree holds the type's first GPU: so a
type uses groups 0..m-1 of a single degree, and cost depends on nothing else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.exact.sweep import pool_of
from harness.placement.problem import Floats
from harness.placement.stages import Ints, StageTable

_MOST_SUPPORTS = 50_000
_MOST_AT_ONCE = 2_000_000
_NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Shares:
    """Every way in which one type takes part: `groups` stages of class `kind`, none of class -1.

    Arrays over the shares, absence first in each type; `row` numbers their types by figures, not by
    place in the pool, `price` is whole units of money, and the plan's throughput is at most `cap`.
    """

    row: Ints
    kind: Ints
    groups: Ints
    price: Floats
    cap: Floats


def shares_of(table: StageTable, caps: Floats) -> Shares:
    """Shares of all types that have a stage; `caps[g]` holds while a group of type g is unused."""
    found: list[tuple[int, int, int, float, float]] = []
    pool, fastest = pool_of(table), table.tokens_per_s.max(axis=1)
    for row, (g, price) in enumerate(zip(pool.types.tolist(), pool.prices.tolist(), strict=True)):
        kinds = np.flatnonzero((table.type == g) & (table.tokens_per_s > 0).any(axis=1)).tolist()
        found.append((row, -1, 0, 0.0, float(caps[g])))
        for kind in kinds:
            tp = int(table.tp[kind])
            most = int(table.gpus[g]) // tp
            for groups in range(1, min(most, table.most_stages) + 1):
                all_used = len(kinds) == 1 and groups == most
                cap = float(fastest[kind] if all_used else min(caps[g], fastest[kind]))
                found.append((row, kind, groups, price * tp * groups, cap))
    columns = [np.array([share[i] for share in found]) for i in range(5)]
    whole = [column.astype(np.int64) for column in columns[:3]]
    return Shares(whole[0], whole[1], whole[2], columns[3].astype(np.float64), columns[4].astype(np.float64))


def count_usages(shares: Shares, most_stages: int) -> int:
    """How many combinations of one share per type have 1 to `most_stages` stages."""
    ways = [1] + [0] * most_stages
    for row in np.unique(shares.row).tolist():
        after = [0] * (most_stages + 1)
        for groups in shares.groups[shares.row == row].tolist():
            for stages in range(most_stages + 1 - groups):
                after[stages + groups] += ways[stages]
        ways = after
    return sum(ways) - 1


# whether plans of these prices and with these highest throughputs are all beaten
Hopeless = Callable[[Floats, Floats], NDArray[np.bool_]]


def usages_of(shares: Shares, most_stages: int, hopeless: Hopeless) -> Iterator[NDArray[np.int64]]:
    """Every combination but hopeless ones, for one set of types after another, the smallest sets first.

    Arrays of shape (usages, types) with numbers of shares, by ascending price. HarnessError where there
    are too many to enumerate.
    """
    absent = np.flatnonzero(shares.kind < 0)
    most_types = min(len(absent), most_stages)
    supports = sum(math.comb(len(absent), count) for count in range(1, most_types + 1))
    _refuse_above(supports, _MOST_SUPPORTS, "sets of GPU types")
    for count in range(1, most_types + 1):
        for support in itertools.combinations(range(len(absent)), count):
            yield _usages_on(support, shares, absent, most_stages, hopeless)


def _usages_on(
    support: tuple[int, ...], shares: Shares, absent: Ints, most_stages: int, hopeless: Hopeless
) -> NDArray[np.int64]:
    """Combinations in which exactly these types take part, one type after another."""
    present = [np.flatnonzero((shares.row == row) & (shares.kind >= 0)) for row in support]
    cheapest = [float(shares.price[own].min()) for own in present]
    left_out = np.delete(shares.cap[absent], support)
    rows, stages = absent[None, :], np.zeros(1, dtype=np.int64)
    price, cap = np.zeros(1), np.full(1, np.min(left_out, initial=np.inf))
    for place, (row, own) in enumerate(zip(support, present, strict=True)):
        after = len(support) - place - 1
        few = stages[:, None] + shares.groups[own] <= most_stages - after
        _refuse_above(int(np.count_nonzero(few)), _MOST_AT_ONCE, "ways to use one set of GPU types")
        before, taken = np.nonzero(few)
        price = price[before] + shares.price[own[taken]]
        cap = np.minimum(cap[before], shares.cap[own[taken]])
        kept = ~hopeless(price + sum(cheapest[place + 1 :]), cap)
        before, taken, price, cap = before[kept], taken[kept], price[kept], cap[kept]
        rows, stages = rows[before], stages[before] + shares.groups[own[taken]]
        rows[:, row] = own[taken]
    return rows[np.lexsort((stages, price))]


def _refuse_above(count: int, most: int, of: str) -> None:
    if count > most:
        raise HarnessError(
            "the pool is too large to enumerate the documented rules' plans",
            where="gpu_pool.csv",
            allowed=f"at most {most:,} {of}",
        )


class Throughput:
    """The fastest rate at which a usage holds exactly all layers."""

    def __init__(self, table: StageTable, shares: Shares) -> None:
        self.thresholds: Floats = table.thresholds
        self._table, self._shares = table, shares
        sizes = np.arange(table.layers + 1)
        reached = table.tokens_per_s[:, :, None] >= self.thresholds
        largest = np.where(reached, sizes[:, None], -_NEVER).max(axis=1)
        smallest = np.where(reached, sizes[:, None], _NEVER).min(axis=1)
        groups = shares.groups[:, None]
        # Class -1 has no groups, so whatever it indexes counts nothing.
        self._most, self._least = largest[shares.kind] * groups, smallest[shares.kind] * groups
        self._sums = cache(self._sums_of)

    def may_reach(self, usages: NDArray[np.int64], thresholds: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each usage passes the test that the layers lie between the least and most held."""
        at = thresholds[:, None]
        passed: NDArray[np.bool_] = self._most[usages, at].sum(axis=1) >= self._table.layers
        passed &= self._least[usages, at].sum(axis=1) <= self._table.layers
        return passed

    def fastest(self, usage: list[int], first: int) -> int | None:
        """The last threshold that the usage reaches; None where it misses number `first`."""
        after = len(self.thresholds)
        if first >= after or not self._holds(usage, first):
            return None
        while after - first > 1:
            middle = (first + after) // 2
            first, after = (middle, after) if self._holds(usage, middle) else (first, middle)
        return first

    def sizes(self, usage: list[int], threshold: int) -> Iterator[tuple[int, int]]:
        """(class, layers) of each stage, the largest sizes first in each class, at this threshold."""
        layers, parts = self._table.layers, self._parts(usage, threshold)
        before = [1]
        for sums in parts:
            before.append(self._joined(before[-1], sums))
        for share, sums, left in zip(reversed(usage), reversed(parts), reversed(before[:-1]), strict=True):
            own = next(n for n in range(layers, -1, -1) if sums >> n & 1 and left >> (layers - n) & 1)
            layers -= own
            kind = int(self._shares.kind[share])
            for groups in range(int(self._shares.groups[share]), 0, -1):
                rest = self._sums(kind, groups - 1, threshold)
                n = next(
                    n for n in self._allowed(kind, threshold)[::-1] if n <= own and rest >> (own - n) & 1
                )
                own -= n
                yield kind, n

    def _holds(self, usage: list[int], threshold: int) -> bool:
        total = 1
        for sums in self._parts(usage, threshold):
            total = self._joined(total, sums)
        return bool(total >> self._table.layers & 1)

    def _parts(self, usage: list[int], threshold: int) -> list[int]:
        """Per share the bit set of layers that it can hold."""
        kinds, groups = self._shares.kind, self._shares.groups
        return [self._sums(int(kinds[share]), int(groups[share]), threshold) for share in usage]

    def _joined(self, one: int, other: int) -> int:
        """The bit set of sums of a member of each, up to all layers."""
        total = 0
        while other:
            lowest = other & -other
            total |= one * lowest
            other ^= lowest
        return total & ((1 << self._table.layers + 1) - 1)

    def _sums_of(self, kind: int, groups: int, threshold: int) -> int:
        """The bit set of sums of exactly `groups` sizes of a class that reach the threshold."""
        if not groups:
            return 1
        own = sum(1 << n for n in self._allowed(kind, threshold))
        return self._joined(self._sums(kind, groups - 1, threshold), own)

    def _allowed(self, kind: int, threshold: int) -> list[int]:
        reached = self._table.tokens_per_s[kind] >= self.thresholds[threshold]
        return [int(n) for n in np.flatnonzero(reached)]
