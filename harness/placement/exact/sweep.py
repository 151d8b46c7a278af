"""The cheapest plan at each of many throughput floors: one dynamic programme, the floors as a vector axis.

For a type g, G[k, l] is the fewest GPUs on which k stages hold l layers; A[k, l] is the least cost over
the types merged so far:  A'[k, l] = min over (k2, l2) of A[k - k2, l - l2] + price_g * G_g[k2, l2], with
G_g at most the type's count. Costs are whole numbers in float64, so that sums and ties are exact.

Pruning is by the relaxation F[k, l] without counts, which bounds what is still to pay: only stages
that can be part of a plan within a ceiling take part. An answer above its ceiling becomes the next
ceiling, so that the last search has seen every plan at least as cheap as its answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from harness.placement.problem import Floats
from harness.placement.stages import Choice, StageTable

_LARGEST_WHOLE = 2**53
_FIRST_CEILING = 1.15
# Few floors at a time keep the arrays in the cache, many amortise the interpreter.
_FLOORS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Pool:
    """The table's types in an order that depends on their figures only, with whole-number prices."""

    table: StageTable
    types: NDArray[np.intp]
    prices: Floats


def pool_of(table: StageTable) -> Pool:
    """Types without a stage are left out; equal types stay in the order of the pool."""
    prices = whole_prices(table.usd_per_hour, table.most_stages * int(table.tp.max(initial=1)))
    present = [int(g) for g in np.unique(table.type[(table.tokens_per_s > 0).any(axis=1)])]

    def figures(g: int) -> tuple[float, int, bytes]:
        return float(prices[g]), int(table.gpus[g]), table.tokens_per_s[table.type == g].tobytes()

    types = np.array(sorted(present, key=figures), dtype=np.intp)
    return Pool(table, types, prices[types])


def whole_prices(usd: Floats, most_gpus: int) -> Floats:
    """Prices as whole numbers in one unit, exact where their decimals allow it, else to 44 bits."""
    exact = [Fraction(repr(float(price))) for price in usd]
    unit = math.lcm(*(price.denominator for price in exact))
    whole = [int(price * unit) for price in exact]
    common = math.gcd(*whole) or 1
    if max(whole, default=0) // common * most_gpus < _LARGEST_WHOLE:
        return np.array([price // common for price in whole], dtype=np.float64)
    rounded: Floats = np.rint(usd / usd.max() * 2.0**44)
    return rounded


def fewest_gpus(pool: Pool, floors: Floats) -> Floats:
    """The smallest TP on which n layers of a type reach a floor, else infinite; (types, L + 1, floors)."""
    table = pool.table
    fewest = np.full((len(pool.types), table.layers + 1, len(floors)), np.inf)
    for row, g in enumerate(pool.types):
        for kind in np.flatnonzero(table.type == g)[::-1]:
            reached = table.tokens_per_s[kind][:, None] >= floors
            np.copyto(fewest[row], table.tp[kind], where=reached)
    return fewest


def paid(gpus: Floats, price: float) -> Floats:
    """What these GPUs cost; no GPUs (infinite) stay infinite when they are free."""
    return gpus * price if price else np.where(np.isfinite(gpus), 0.0, np.inf)


def cheapest_items(fewest: Floats, prices: Floats) -> Floats:
    """The least price of a stage of n layers over all types; shape (L + 1, floors)."""
    items = np.full(fewest.shape[1:], np.inf)
    for gpus, price in zip(fewest, prices, strict=True):
        np.minimum(items, paid(gpus, price), out=items)
    return items


def relaxed_costs(items: Floats, most_stages: int) -> Floats:
    """Least cost of at most k stages over l layers when GPUs are never short; shape (k + 1, L + 1, floors).

    `items` is the least price of a stage of n layers, shape (L + 1, floors).
    """
    costs = np.full((most_stages + 1, *items.shape), np.inf)
    costs[0, 0] = 0
    for k in range(1, most_stages + 1):
        costs[k] = costs[k - 1]
        _append(costs[k], costs[k - 1], items)
    return costs


def relaxed_total(items: Floats, most_stages: int) -> Floats:
    """The same for `most_stages` and all layers alone, shape (floors,): P stages are twice P / 2."""
    power, total = items.copy(), None
    power[0] = 0  # at most one stage
    while True:
        if most_stages & 1:
            total = power if total is None else _joined(total, power)
        most_stages >>= 1
        if not most_stages:
            assert total is not None
            all_layers: Floats = total[-1]
            return all_layers
        power = _joined(power, power)


def _joined(first: Floats, second: Floats) -> Floats:
    """The stages of both over l layers together."""
    out = np.full_like(first, np.inf)
    _append(out, first, second)
    return out


def _append(out: Floats, before: Floats, items: Floats) -> None:
    """out[l] = min(out[l], before[l - n] + items[n]) for every n that exists at some floor."""
    for n in np.flatnonzero(np.isfinite(items).any(axis=1)):
        np.minimum(out[n:], before[: len(out) - n] + items[n], out=out[n:])


@dataclass(frozen=True, slots=True)
class _Merge:
    """One type's part in the programme: costs before it, GPUs per (k, l), GPUs per stage, its price."""

    row: int
    before: Floats
    gpus: Floats
    stage: Floats
    price: float


@dataclass(frozen=True, slots=True)
class _Searched:
    """Costs after all types, and what is needed to find the plan of one floor."""

    costs: Floats
    merges: tuple[_Merge, ...]


def sweep(table: StageTable, floors: Sequence[float]) -> list[Choice | None]:
    """The cheapest choice at each floor, of equals one with the fewest stages; None where there is none."""
    pool = pool_of(table)
    ascending = np.array(sorted(floors), dtype=np.float64)
    found: dict[float, Choice | None] = {}
    for start in range(0, len(ascending), _FLOORS_AT_ONCE):
        part = ascending[start : start + _FLOORS_AT_ONCE]
        found.update(zip(part.tolist(), _cheapest(pool, part), strict=True))
    return [found[float(floor)] for floor in floors]


def _cheapest(pool: Pool, floors: Floats) -> list[Choice | None]:
    answers: list[Choice | None] = [None] * len(floors)
    fewest = fewest_gpus(pool, floors)
    relaxed = relaxed_costs(cheapest_items(fewest, pool.prices), pool.table.most_stages)
    least = relaxed[-1, -1]
    unproven, within = np.flatnonzero(np.isfinite(least)), least * _FIRST_CEILING
    while len(unproven):
        searched = _search(pool, fewest[:, :, unproven], relaxed[:, :, unproven], within[unproven])
        costs = searched.costs[:, -1].min(axis=0)
        # A plan dearer than the ceiling may have been missed by a cheaper one, so it is the next ceiling.
        proven = (costs <= within[unproven]) | np.isinf(within[unproven])
        for position in np.flatnonzero(proven & np.isfinite(costs)):
            floor = unproven[position]
            answers[floor] = _trace(pool, searched, int(position), floors[floor])
        unproven, costs = unproven[~proven], costs[~proven]
        raised = np.where(within[unproven] < least[unproven] * 4, within[unproven] * 1.5, np.inf)
        within[unproven] = np.where(np.isfinite(costs), costs, raised)
    return answers


def _search(pool: Pool, fewest: Floats, relaxed: Floats, within: Floats) -> _Searched:
    """Least cost of exactly k stages over l layers, of plans that cost at most `within`; infinite else."""
    table, last = pool.table, pool.table.most_stages
    costs = np.full(relaxed.shape, np.inf)
    costs[0, 0] = 0
    merges = []
    for row, (g, price) in enumerate(zip(pool.types, pool.prices, strict=True)):
        rest = relaxed[last - 1, ::-1]  # what the other layers cost at least
        stage = np.where(paid(fewest[row], price) + rest <= within, fewest[row], np.inf)
        gpus = _gpus(stage, min(last, int(table.gpus[g])), int(table.gpus[g]))
        for k in range(1, len(gpus)):
            gpus[k][paid(gpus[k], price) + relaxed[last - k, ::-1] > within] = np.inf
        if not np.isfinite(gpus[1:]).any():
            continue
        after = costs.copy()
        for k, layers in np.argwhere(np.isfinite(gpus).any(axis=2)):
            if k:
                part = after[k:, layers:]
                own = paid(gpus[k, layers], price)
                np.minimum(part, costs[: last + 1 - k, : table.layers + 1 - layers] + own, out=part)
        merges.append(_Merge(row, costs, gpus, stage, price))
        costs = after
    return _Searched(costs, tuple(merges))


def _gpus(stage: Floats, most_stages: int, count: int) -> Floats:
    """Fewest GPUs of one type for exactly k stages over l layers, infinite above `count`."""
    gpus = np.full((most_stages + 1, *stage.shape), np.inf)
    gpus[0, 0] = 0
    for k in range(1, most_stages + 1):
        _append(gpus[k], gpus[k - 1], stage)
        gpus[k][gpus[k] > count] = np.inf
        if not np.isfinite(gpus[k]).any():
            return gpus[: k + 1]
    return gpus


def _trace(pool: Pool, searched: _Searched, floor: int, tokens_per_s: float) -> Choice:
    """The plan behind the least cost at one floor; sums of whole numbers compare exactly."""
    layers = pool.table.layers
    k = int(np.argmin(searched.costs[:, layers, floor]))
    cost, choice = searched.costs[k, layers, floor], []
    for merge in reversed(searched.merges):
        before, gpus = merge.before[..., floor], merge.gpus[..., floor]
        if before[k, layers] == cost:
            continue
        deep = min(k + 1, len(gpus))
        rest = before[k - deep + 1 : k + 1, : layers + 1][::-1, ::-1] + paid(
            gpus[:deep, : layers + 1], merge.price
        )
        used, held = (int(i) for i in np.argwhere(rest == cost)[0])
        k, layers, cost = k - used, layers - held, before[k - used, layers - held]
        choice += _stages_of(pool, merge, used, held, floor, tokens_per_s)
    return tuple(sorted(choice))


def _stages_of(
    pool: Pool, merge: _Merge, k: int, layers: int, floor: int, tokens_per_s: float
) -> list[tuple[int, int]]:
    """The k stages of one type that hold these layers on the fewest GPUs."""
    table, g = pool.table, pool.types[merge.row]
    classes = np.flatnonzero(table.type == g)
    stages = []
    while k:
        own = merge.stage[: layers + 1, floor]
        n = int(np.argmax(merge.gpus[k - 1, : layers + 1, floor][::-1] + own == merge.gpus[k, layers, floor]))
        kind = next(c for c in classes if table.tp[c] == own[n] and table.tokens_per_s[c, n] >= tokens_per_s)
        stages.append((int(kind), n))
        k, layers = k - 1, layers - n
    return stages
