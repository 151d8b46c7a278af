"""What the documented symmetry rows leave of a plan: per GPU type one TP degree and a number of groups.

Group i is used only after group i - 1, and group 0 of every TP degree holds the type's first GPU: so a
type uses groups 0..m-1 of a single degree, and cost depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.problem import Floats
from harness.placement.stages import Ints, StageTable
from harness.placement.sweep import pool_of

_MOST_USAGES = 2_000_000
_NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Shares:
    """Every way in which one type takes part: `groups` stages of class `kind`, none of class -1.

    Arrays over the shares; `row` numbers their types by figures, not by place in the pool, `price` is
    whole units of money, and the plan's throughput is at most `cap`.
    """

    row: Ints
    kind: Ints
    groups: Ints
    price: Floats
    cap: Floats


def shares_of(table: StageTable, caps: Floats) -> Shares:
    """Shares of all types that have a stage; `caps[g]` holds while a group of type g is unused."""
    found: list[tuple[int, int, int, float, float]] = []
    pool = pool_of(table)
    for row, (g, price) in enumerate(zip(pool.types.tolist(), pool.prices.tolist(), strict=True)):
        kinds = np.flatnonzero((table.type == g) & (table.tokens_per_s > 0).any(axis=1)).tolist()
        found.append((row, -1, 0, 0.0, float(caps[g])))
        for kind in kinds:
            tp = int(table.tp[kind])
            most = int(table.gpus[g]) // tp
            for groups in range(1, min(most, table.most_stages) + 1):
                all_used = len(kinds) == 1 and groups == most
                found.append((row, kind, groups, price * tp * groups, np.inf if all_used else float(caps[g])))
    columns = [np.array([share[i] for share in found]) for i in range(5)]
    whole = [column.astype(np.int64) for column in columns[:3]]
    return Shares(whole[0], whole[1], whole[2], columns[3].astype(np.float64), columns[4].astype(np.float64))


def usages_of(shares: Shares, most_stages: int) -> NDArray[np.int32]:
    """Every combination of one share per type with 1 to `most_stages` stages, by ascending cost.

    Shape (usages, types), numbers of shares. HarnessError where there are too many to enumerate.
    """
    rows = np.zeros((1, 0), dtype=np.int32)
    stages = np.zeros(1, dtype=np.int64)
    for row in range(int(shares.row.max(initial=-1)) + 1):
        own = np.flatnonzero(shares.row == row)
        few = stages[:, None] + shares.groups[own] <= most_stages
        if np.count_nonzero(few) > _MOST_USAGES:
            raise HarnessError(
                "the pool is too large to enumerate the documented rules' plans",
                where="gpu_pool.csv",
                allowed=f"at most {_MOST_USAGES:,} combinations of (type, TP, groups)",
            )
        before, after = np.nonzero(few)
        rows = np.concatenate([rows[before], own[after, None].astype(np.int32)], axis=1)
        stages = stages[before] + shares.groups[own[after]]
    rows, stages = rows[stages > 0], stages[stages > 0]
    return rows[np.lexsort((stages, shares.price[rows].sum(axis=1)))]


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

    def bounds(self, usages: NDArray[np.int32]) -> NDArray[np.intp]:
        """How many thresholds pass the test that the layers lie between the least and most held."""
        held = self._most[usages].sum(axis=1) >= self._table.layers
        held &= self._least[usages].sum(axis=1) <= self._table.layers
        passed: NDArray[np.intp] = held.sum(axis=1)
        return passed

    def fastest(self, usage: list[int], first: int, after: int) -> int | None:
        """The last threshold of first..after-1 that the usage reaches; None where it misses the first."""
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
