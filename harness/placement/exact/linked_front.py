"""The exact front where links between stages may bind.

The cheapest stages at a floor, links left out, are the cheapest with links too if they can stand in
some order along links that reach the floor. Where they cannot, an integer program over walks finds
the cheapest that can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from harness.placement.exact.front import Front, FrontPoint, exact_front, pareto, usd_of
from harness.placement.exact.limits import Limits, latency_row, limited_front, parts, prefill_s
from harness.placement.exact.links import LinkedTable, class_links, with_links
from harness.placement.exact.sweep import sweep
from harness.placement.exact.walks import cheapest_walk
from harness.placement.plan import Plan
from harness.placement.problem import Problem
from harness.placement.stages import Choice, StageTable, lay_out_in_order

_NO_LIMITS = Limits()
# Sums of the same prices in another order differ in their last bits only.
_SAME = 1 + 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class LinkedFront:
    """A front that holds on any GPUs of the types, and one that no choice of GPUs can beat.

    `front` takes the slowest link between two types for all of them, `bound` the fastest. Where the
    two are equal `front` is proven; else each question has a gap of its own. `fallbacks`: floors at
    which the integer program was needed, for both together.
    """

    table: LinkedTable
    front: Front
    bound: Front
    fallbacks: int

    def plan(self, point: FrontPoint, problem: Problem) -> Plan:
        """A plan for a point of `front`, at least as fast: stages in an order whose links carry it."""
        order = self.table.order(point.choice, point.tokens_per_s)
        if order is None:
            raise ValueError(f"no order of {point.choice} reaches {point.tokens_per_s} tokens/s")
        return lay_out_in_order(order, self.table, problem)

    def gap(
        self, question: Callable[[Front], FrontPoint | None], figure: Callable[[FrontPoint], float]
    ) -> float:
        """By what share the answer's figure, of which less is better, may exceed the optimum."""
        found, least = question(self.front), question(self.bound)
        if found is None or least is None:
            return 0.0 if least is None else math.inf
        more, less = figure(found), figure(least)
        return max(more / less - 1, 0.0) if less else math.inf if more else 0.0


def linked_front(
    problem: Problem, table: StageTable, contiguous: bool = False, limits: Limits = _NO_LIMITS
) -> LinkedFront:
    """The exact front with links of class-level bandwidth; its table has the problem's classes.

    A plan's throughput is that of its slowest stage or link, in the best order of its stages.
    `contiguous`: the stages of one GPU type stand next to each other. Links that never bind cost nothing.
    """
    free = limited_front(table, limits)
    slowest, fastest = class_links(problem, table)
    front, fallbacks = _front(with_links(table, slowest, contiguous), limits, free)
    bound = front
    # every link lies between the two: a front without links, or links without spread, leave no gap
    if not _equal(front, free) and (slowest != fastest).any():
        bound, more = _front(with_links(table, fastest, contiguous), limits, free)
        fallbacks += more
    proven = _equal(front, bound)
    return LinkedFront(
        with_links(table, slowest, contiguous), replace(front, proven=proven), bound, fallbacks
    )


def _front(table: LinkedTable, limits: Limits, free: Front) -> tuple[Front, int]:
    """The front with these links, `free` being the one without; and how often the program was needed."""
    if all(table.order(point.choice, point.tokens_per_s) is not None for point in free.points):
        return free, 0
    fronts, fallbacks = [], 0
    for part in parts(table, limits):
        oracle = _Oracle(with_links(part, table.links, table.contiguous), limits.prefill_s)
        fronts.append(exact_front(oracle.table, oracle))
        fallbacks += oracle.fallbacks
    points = pareto(point for front in fronts for point in front.points)
    return Front(points, len(table.thresholds), sum(front.visited for front in fronts)), fallbacks


def _equal(one: Front, other: Front) -> bool:
    """The same throughput for the same cost at every corner."""
    return len(one.points) == len(other.points) and all(
        a.tokens_per_s == b.tokens_per_s and math.isclose(a.usd_per_hour, b.usd_per_hour, rel_tol=1e-12)
        for a, b in zip(one.points, other.points, strict=True)
    )


@dataclass(slots=True)
class _Oracle:
    """The cheapest choice at each floor, with links; it remembers what bounds the floors between."""

    table: LinkedTable
    prefill_s: float
    fallbacks: int = 0
    _solved: list[tuple[float, float]] = field(default_factory=list)  # floor, least USD/h
    _known: list[tuple[float, float, Choice]] = field(default_factory=list)  # tokens/s, USD/h

    def __call__(self, table: StageTable, floors: Sequence[float]) -> list[Choice | None]:
        found = dict(zip(floors, sweep(table, floors), strict=True))
        for floor in _outside_in(sorted(floors)):
            found[floor] = self._cheapest(floor, found[floor])
        return [found[floor] for floor in floors]

    def _cheapest(self, floor: float, free: Choice | None) -> Choice | None:
        if free is None or (self._within(free) and self.table.order(free, floor) is not None):
            return self._learn(floor, free)
        # costs rise with the floor, so a plan that costs no more than a lower floor's is the cheapest here
        least = max([usd_of(free, self.table)] + [usd for at, usd in self._solved if at <= floor])
        fast_enough = [(usd, choice) for rate, usd, choice in self._known if rate >= floor]
        usd, choice = min(fast_enough, default=(math.inf, None))
        if usd <= least * _SAME:
            return choice
        self.fallbacks += 1
        return self._learn(floor, cheapest_walk(self.table, floor, latency_row(self.table, self.prefill_s)))

    def _within(self, choice: Choice) -> bool:
        return prefill_s(self.table, choice) <= self.prefill_s

    def _learn(self, floor: float, choice: Choice | None) -> Choice | None:
        usd = math.inf if choice is None else usd_of(choice, self.table)
        self._solved.append((floor, usd))
        if choice is not None:
            self._known.append((self.table.rate(choice), usd, choice))
        return choice


def _outside_in(floors: Sequence[float]) -> list[float]:
    """The ends first, then the middle of each gap: ends that cost the same settle what lies between."""
    order = [*floors[-1:], *floors[:1]]
    gaps = [(0, len(floors) - 1)]
    for first, last in gaps:
        if last - first > 1:
            middle = (first + last) // 2
            order.append(floors[middle])
            gaps += [(first, middle), (middle, last)]
    return list(dict.fromkeys(order))
