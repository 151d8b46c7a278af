"""Every pipeline that may be part of a fleet better than a known one: those with nearly the best profit.

Pipelines are told apart by their GPUs only: of a GPU count only the fastest pipeline is of use to a fleet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.placement.exact.sweep import Pool, cheapest_items, fewest_gpus, paid, pool_of, relaxed_costs
from harness.placement.fleets.pricing import Worth, useful_floors
from harness.placement.problem import Floats
from harness.placement.stages import StageTable

_FLOORS_AT_ONCE = 64

# GPUs of each type of the table
Gpus = tuple[int, ...]


def near_best(table: StageTable, worth: Worth, least: float, limit: int) -> dict[Gpus, float] | None:
    """The GPUs of every pipeline with a profit of `least` USD/h or more, and its tokens/s up to `worth.most`.

    Pipelines that hold a GPU more than their throughput needs are left out. None when there are over
    `limit`, or as many to look at.
    """
    pool = pool_of(replace(table, usd_per_hour=worth.usd_per_hour))
    floors = useful_floors(table, worth.most)
    found: dict[Gpus, float] = {}
    for start in range(0, len(floors), _FLOORS_AT_ONCE):
        part = floors[::-1][start : start + _FLOORS_AT_ONCE]
        held = _held(pool, worth, part, worth.of(part) - least)
        for floor, budget in enumerate(held.budgets.tolist()):
            vectors = _vectors(held, floor, budget, limit)
            if vectors is None:
                return None
            for vector in vectors:
                used = np.zeros(len(table.gpus), dtype=np.int64)
                used[held.types] = vector
                found.setdefault(tuple(used.tolist()), float(min(held.floors[floor], worth.most)))
            if len(found) > limit:
                return None
    return found


@dataclass(frozen=True, slots=True)
class _Held:
    """What each of some types can hold within the budgets of some floors.

    `gpus`: fewest GPUs of a type for k stages over l layers, (P + 1, L + 1, floors); infinite where no plan
    within the budget has that. `rest`: see `_rest`.
    """

    floors: Floats
    budgets: Floats
    types: NDArray[np.intp]
    prices: Floats
    gpus: list[Floats]
    rest: list[Floats]


def _held(pool: Pool, worth: Worth, floors: Floats, budgets: Floats) -> _Held:
    """Only the floors and types that a plan within the budget has."""
    table, prices = pool.table, worth.usd_per_hour[pool.types]
    fewest = fewest_gpus(pool, floors)
    relaxed = relaxed_costs(cheapest_items(fewest, prices), table.most_stages)
    open_ = relaxed[-1, -1] <= budgets
    fewest, relaxed, budgets = fewest[..., open_], relaxed[..., open_], budgets[open_]
    gpus = [
        _gpus(of_type, relaxed, budgets, float(price), int(count))
        for of_type, price, count in zip(fewest, prices, table.gpus[pool.types], strict=True)
    ]
    useful = [row for row, of_type in enumerate(gpus) if np.isfinite(of_type[1:]).any()]
    kept = [gpus[row] for row in useful]
    rest = _rest(kept, prices[useful], relaxed.shape)
    return _Held(floors[open_], budgets, pool.types[useful], prices[useful], kept, rest)


def _gpus(fewest: Floats, relaxed: Floats, budgets: Floats, price: float, count: int) -> Floats:
    """Fewest GPUs of a type for k stages over l layers, from the fewest for one stage, (L + 1, floors)."""
    gpus = np.full(relaxed.shape, np.inf)
    gpus[0, 0] = 0
    most_stages = len(relaxed) - 1
    stage = np.where(paid(fewest, price) + relaxed[most_stages - 1, ::-1] <= budgets, fewest, np.inf)
    for k in range(1, min(most_stages, count) + 1):
        for n in np.flatnonzero(np.isfinite(stage).any(axis=1)):
            np.minimum(gpus[k, n:], gpus[k - 1, : len(stage) - n] + stage[n], out=gpus[k, n:])
        over = (gpus[k] > count) | (paid(gpus[k], price) + relaxed[most_stages - k, ::-1] > budgets)
        gpus[k][over] = np.inf
        if not np.isfinite(gpus[k]).any():
            break
    return gpus


def _rest(gpus: list[Floats], prices: Floats, shape: tuple[int, ...]) -> list[Floats]:
    """Least cost of at most k stages over l layers on the types from each one on; the last has none left."""
    costs = np.full(shape, np.inf)
    costs[:, 0] = 0
    rest = [costs]
    stages, layers = shape[:2]
    for of_type, price in zip(reversed(gpus), reversed(prices.tolist()), strict=True):
        costs = rest[0].copy()
        for k, n in np.argwhere(np.isfinite(of_type[1:]).any(axis=2)):
            part = rest[0][: stages - 1 - k, : layers - n] + paid(of_type[k + 1, n], price)
            np.minimum(costs[k + 1 :, n:], part, out=costs[k + 1 :, n:])
        rest.insert(0, costs)
    return rest


def _vectors(held: _Held, floor: int, budget: float, limit: int) -> list[Gpus] | None:
    """The GPUs per type of every plan within the budget; None when more than `limit` are under way.

    Type after type: what is taken so far and the layers left, with the most stages left for them. Each
    state is kept only if `rest` says that it can be completed, so that no work is in vain.
    """
    stages, layers = (size - 1 for size in held.rest[0].shape[:2])
    states: dict[tuple[Gpus, int], tuple[int, float]] = {((), layers): (stages, 0.0)}
    for of_types, rest, price in zip(held.gpus, held.rest[1:], held.prices.tolist(), strict=True):
        of_type, after = of_types[..., floor], rest[..., floor]
        grown: dict[tuple[Gpus, int], tuple[int, float]] = {}
        for (taken, left), (stages_left, cost) in states.items():
            costs = cost + paid(of_type[: stages_left + 1, : left + 1], price)
            open_ = costs + after[: stages_left + 1, : left + 1][::-1, ::-1] <= budget
            for k, n in np.argwhere(open_).tolist():
                key = ((*taken, int(of_type[k, n])), left - n)
                if key not in grown or grown[key][0] < stages_left - k:
                    grown[key] = stages_left - k, float(costs[k, n])
        if len(grown) > limit:
            return None
        states = grown
    return [taken for taken, left in states if left == 0]
