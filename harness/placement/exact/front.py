"""The whole cost-throughput front, exact, and every answer that is read off it.

C(T), the least cost with every stage at T or above, is a non-decreasing step function that changes
at stage rates only. Its lower right corners are the Pareto front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.placement.exact.sweep import sweep
from harness.placement.stages import Choice, StageTable

# the cheapest choice at each throughput floor (ascending), None where there is none
Oracle = Callable[[StageTable, Sequence[float]], list[Choice | None]]

_FLOORS_A_ROUND = 64


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A corner: no plan is as fast for less, none as cheap is faster."""

    tokens_per_s: float
    usd_per_hour: float
    choice: Choice

    @property
    def usd_per_million_tokens(self) -> float:
        """Cost of a million tokens at full load."""
        return self.usd_per_hour / (3600.0 * self.tokens_per_s) * 1e6


@dataclass(frozen=True, slots=True)
class Front:
    """Corners by ascending throughput and cost; none means that there is no plan.

    Of `thresholds` candidate throughputs, `visited` were searched; the others lie between two with
    the same cost. `proven` is False where the oracle only bounds the cost.
    """

    points: tuple[FrontPoint, ...]
    thresholds: int
    visited: int
    proven: bool = True

    def cheapest_token(self) -> FrontPoint | None:
        """The lowest USD per token; of equals, the cheapest."""
        return cheaper_token(self.points) if self.points else None

    def cheapest_at(self, tokens_per_s: float) -> FrontPoint | None:
        """The cheapest plan with at least this throughput."""
        return next((p for p in self.points if p.tokens_per_s >= tokens_per_s), None)

    def fastest_within(self, usd_per_hour: float) -> FrontPoint | None:
        """The fastest plan within this budget."""
        # A budget of 3.6 must buy the plan whose cost sums up to 3.6000000000000005.
        affordable = [p for p in self.points if p.usd_per_hour <= usd_per_hour * (1 + 1e-12)]
        return affordable[-1] if affordable else None

    def best_weighted(self, tokens_per_s_per_usd: float) -> FrontPoint | None:
        """The most tokens/s - `tokens_per_s_per_usd` * USD/h; of equals, the cheapest."""
        return max(
            self.points, key=lambda p: p.tokens_per_s - tokens_per_s_per_usd * p.usd_per_hour, default=None
        )


def exact_front(table: StageTable, oracle: Oracle = sweep) -> Front:
    """The front of this table; ValueError if the oracle returns a choice below its floor.

    Floors are searched in rounds, some in each gap between two known costs; a gap whose ends cost the
    same is known, so few of the candidates are ever searched.
    """
    thresholds = table.thresholds.tolist()
    steps = _Steps(table, thresholds)
    visited = 0
    while floors := steps.next_floors():
        visited += len(floors)
        for index, choice in zip(floors, oracle(table, [thresholds[i] for i in floors]), strict=True):
            steps.learn(index, choice)
    return Front(steps.corners(), len(thresholds), visited)


def cheaper_token(points: Sequence[FrontPoint]) -> FrontPoint:
    """The point with the lowest USD per token; of equals, the cheapest."""
    least = min(point.usd_per_hour / point.tokens_per_s for point in points)
    equal = [p for p in points if p.usd_per_hour / p.tokens_per_s <= least * (1 + 1e-12)]
    return min(equal, key=lambda point: point.usd_per_hour)


def usd_of(choice: Choice, table: StageTable) -> float:
    """USD/h of these stages."""
    return math.fsum(float(table.usd_per_hour[table.type[kind]] * table.tp[kind]) for kind, _ in choice)


def pareto(points: Iterable[FrontPoint]) -> tuple[FrontPoint, ...]:
    """The points that no other one beats, by ascending throughput; of equals the first."""
    best: list[FrontPoint] = []
    for point in sorted(points, key=lambda p: (-p.tokens_per_s, p.usd_per_hour)):
        if not best or point.usd_per_hour < best[-1].usd_per_hour * (1 - 1e-12):
            best.append(point)
    return tuple(reversed(best))


@dataclass(frozen=True, slots=True)
class _Known:
    """The same choice is cheapest from threshold `first` to threshold `last`."""

    first: int
    last: int
    usd: float
    choice: Choice | None


class _Steps:
    """What is known of C(T), over the indices of the thresholds."""

    def __init__(self, table: StageTable, thresholds: list[float]) -> None:
        self._table, self._thresholds = table, thresholds
        self._index = {rate: index for index, rate in enumerate(thresholds)}
        self._known: list[_Known] = []

    def learn(self, index: int, choice: Choice | None) -> None:
        if choice is None:
            self._known.append(_Known(index, len(self._thresholds) - 1, math.inf, None))
        else:
            last = self._index[self._table.rate(choice)]
            if last < index:
                raise ValueError(f"{choice} is slower than the floor of {self._thresholds[index]} tokens/s")
            self._known.append(_Known(index, last, usd_of(choice, self._table), choice))

    def next_floors(self) -> list[int]:
        """Indices spread over the gaps that are left, the first of each gap among them."""
        gaps = self._gaps()
        each = max(1, _FLOORS_A_ROUND // max(1, len(gaps)))
        return sorted({
            first + step * (after - first) // min(each, after - first)
            for first, after in gaps for step in range(min(each, after - first))
        })  # fmt: skip

    def _gaps(self) -> list[tuple[int, int]]:
        """(first, one after the last) of each run of thresholds whose cost is unknown."""
        gaps, reached, usd = [], 0, -math.inf
        for known in sorted(self._known, key=lambda k: (k.first, k.last)):
            if known.first > reached and not _same(known.usd, usd):
                gaps.append((reached, known.first))
            reached, usd = max(reached, known.last + 1), known.usd
        if reached < len(self._thresholds):
            gaps.append((reached, len(self._thresholds)))
        return gaps

    def corners(self) -> tuple[FrontPoint, ...]:
        return pareto(
            FrontPoint(self._table.rate(known.choice), known.usd, known.choice)
            for known in self._known
            if known.choice is not None
        )


def _same(a: float, b: float) -> bool:
    """Costs of different sums of the same prices differ in their last bits only."""
    return a == b or math.isclose(a, b, rel_tol=1e-12)
