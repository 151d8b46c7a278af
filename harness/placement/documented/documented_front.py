"""The exact front of what the documented program can return, by enumeration and without a solver.

A plan's usage (`usages`) fixes its cost. Its throughput is the fastest at which the usage holds all
layers, at most the documented big-M of each type with an unused group, provided that its groups can be
put in an order in which every two neighbours have a connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.documented.connections import neighbours
from harness.placement.documented.usages import Throughput, count_usages, shares_of, usages_of
from harness.placement.exact.front import Front, FrontPoint, exact_front, usd_of
from harness.placement.plan import Plan, Stage, plan_of
from harness.placement.problem import Floats, Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel, require_fast_links
from harness.placement.segments import DOCUMENTED, Rules, documented_big_m, enumerate_segments
from harness.placement.stages import Choice, StageTable, lay_out, stage_table


def documented_front(
    problem: Problem, sizes: Iterable[int], rules: Rules = DOCUMENTED, rates: RateModel = DOCUMENTED_RATES
) -> Front:
    """The front of the program with connections, over segments of these sizes.

    A point's throughput is the program's own: under `big_m_per_type` it may be below the rate of the
    stages. Each rule may be switched off alone; without `ordered_groups` only when big-M, GPU ids and
    filter are off too. HarnessError otherwise, where a link can bind, or for too large a pool.
    """
    chosen = tuple(sizes)
    table = stage_table(problem, rules, rates, chosen)
    require_fast_links(problem, float(table.tokens_per_s.max(initial=0)))
    if not rules.ordered_groups:
        if rules.type_blind_gpu_ids or rules.filter_slow_links or rules.big_m_per_type:
            raise HarnessError(
                "plans whose groups are in no order are only enumerated without the other defects",
                where=f"rules {rules.name}",
                next_step="keep ordered_groups, or drop GPU ids without type, the filter and the big-M too",
            )
        return exact_front(table)
    return _enumerated(
        table, _caps(table, problem, rules, rates), _Order(table, problem, chosen, rules, rates)
    )


def documented_plan(
    choice: Choice,
    problem: Problem,
    sizes: Iterable[int],
    rules: Rules = DOCUMENTED,
    rates: RateModel = DOCUMENTED_RATES,
) -> Plan:
    """A plan of this front with its groups and their order; its throughput is that of its stages."""
    chosen = tuple(sizes)
    table = stage_table(problem, rules, rates, chosen)
    if not rules.ordered_groups:
        return lay_out(choice, table, problem)
    used = [(kind, n) for kind, n in sorted(choice, key=lambda stage: (stage[0], -stage[1]))]
    order = _Order(table, problem, chosen, rules, rates).of([kind for kind, _ in used])
    if order is None:
        raise HarnessError("these stages cannot be put in an order", where=f"rules {rules.name}")
    stages, layer = [], 1
    for position in order:
        kind, layers = used[position]
        index, tp = int(table.type[kind]), int(table.tp[kind])
        group = sum(earlier == kind for earlier, _ in used[:position])
        first = problem.first_gpus[index] + tp * group
        gpus, rate = tuple(range(first, first + tp)), float(table.tokens_per_s[kind, layers])
        stages.append(Stage(problem.pool[index].name, gpus, layer, layer + layers - 1, rate))
        layer += layers
    return plan_of(stages, problem)


def _enumerated(table: StageTable, caps: Floats, order: _Order) -> Front:
    """Usages set by set of types, skipping those whose bound is no better than what costs no more."""
    shares = shares_of(table, caps)
    throughput, best, visited = Throughput(table, shares), _Best(), 0
    count = count_usages(shares, table.most_stages)
    if not count:
        return Front((), 0, 0)
    for usages in usages_of(shares, table.most_stages, best.beats):
        price, cap = shares.price[usages].sum(axis=1), shares.cap[usages].min(axis=1, initial=np.inf)
        first = np.searchsorted(throughput.thresholds, best.at(price), side="right")
        hopeful = (cap > best.at(price)) & (first < len(throughput.thresholds))
        hopeful[hopeful] = throughput.may_reach(usages[hopeful], first[hopeful])
        for row in np.flatnonzero(hopeful).tolist():
            known = float(best.at(price[row : row + 1])[0])
            if cap[row] <= known:
                continue
            visited += 1
            usage = usages[row].tolist()
            found = throughput.fastest(
                usage, int(np.searchsorted(throughput.thresholds, known, side="right"))
            )
            if found is None:
                continue
            choice = tuple(sorted(throughput.sizes(usage, found)))
            if order.of([kind for kind, _ in choice]) is not None:
                rate = min(float(throughput.thresholds[found]), float(cap[row]))
                best.add(float(price[row]), FrontPoint(rate, usd_of(choice, table), choice))
    return Front(tuple(best.points), count, visited)


class _Best:
    """The corners found so far, by ascending price and throughput."""

    def __init__(self) -> None:
        self._prices, self._rates = np.full(1, -np.inf), np.zeros(1)
        self.points: list[FrontPoint] = []

    def at(self, prices: Floats) -> Floats:
        """The highest throughput for no more than each price, 0 for none."""
        rates: Floats = self._rates[np.searchsorted(self._prices, prices, side="right") - 1]
        return rates

    def beats(self, prices: Floats, caps: Floats) -> NDArray[np.bool_]:
        """Whether something no dearer is as fast as the cap allows."""
        return self.at(prices) >= caps

    def add(self, price: float, point: FrontPoint) -> None:
        """A point faster than any that is no dearer; dearer ones that are no faster go."""
        place = int(np.searchsorted(self._prices, price))
        end = place + int(np.searchsorted(self._rates[place:], point.tokens_per_s, side="right"))
        self._prices = np.concatenate([self._prices[:place], [price], self._prices[end:]])
        self._rates = np.concatenate([self._rates[:place], [point.tokens_per_s], self._rates[end:]])
        self.points[place - 1 : end - 1] = [point]


def _caps(table: StageTable, problem: Problem, rules: Rules, rates: RateModel) -> Floats:
    """Per type how far an unused group lets t rise."""
    if not rules.big_m_per_type:
        return np.full(len(problem.pool), np.inf)
    sizes = np.flatnonzero((table.tokens_per_s > 0).any(axis=0)).tolist()
    return np.array([documented_big_m(problem, index, sizes, rates) for index in range(len(problem.pool))])


class _Order:
    """Orders of groups in which neighbours have a connection."""

    def __init__(
        self, table: StageTable, problem: Problem, sizes: tuple[int, ...], rules: Rules, rates: RateModel
    ) -> None:
        near = neighbours(enumerate_segments(problem, sizes, rules, rates), problem, rules)
        kinds = {
            pair: kind for kind, pair in enumerate(zip(table.type.tolist(), table.tp.tolist(), strict=True))
        }
        of_group = zip(*(near.groups[name].tolist() for name in ("type", "tp", "group")), strict=True)
        self._number = {(kinds[type_, tp], group): i for i, (type_, tp, group) in enumerate(of_group)}
        self._allowed = near.allowed

    def of(self, kinds: Sequence[int]) -> tuple[int, ...] | None:
        """Positions in `kinds` (ascending; the i-th stage of a class is on its group i), in order."""
        groups = [self._number[kind, kinds[:i].count(kind)] for i, kind in enumerate(kinds)]
        return path_through(self._allowed[np.ix_(groups, groups)])


def path_through(allowed: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """A path over all nodes along allowed[from, to], the first by number; None where there is none."""
    follow = [sum(1 << j for j in np.flatnonzero(row).tolist()) for row in allowed]
    dead: set[tuple[int, int]] = set()

    def extend(path: tuple[int, ...], left: int) -> tuple[int, ...] | None:
        if not left:
            return path
        if (left, path[-1]) not in dead:
            for node in range(len(follow)):
                if (left & follow[path[-1]]) >> node & 1:
                    found = extend((*path, node), left & ~(1 << node))
                    if found:
                        return found
            dead.add((left, path[-1]))
        return None

    everything = (1 << len(follow)) - 1
    starts = (extend((node,), everything & ~(1 << node)) for node in range(len(follow)))
    return next((path for path in starts if path), None)
