"""Every pipeline that may be part of a fleet better than a known one: those with nearly the best profit.

Pipelines are told apart by their GPUs only: of a GPU count only the fastest pipeline is of use to a fleet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.placement.pricing import Worth, useful_floors
from harness.placement.problem import Floats
from harness.placement.stages import StageTable
from harness.placement.sweep import fewest_gpus, pool_of

_FLOORS_AT_ONCE = 64

# GPUs of each type of the table
Gpus = tuple[int, ...]


def near_best(table: StageTable, worth: Worth, least: float, limit: int) -> dict[Gpus, float] | None:
    """The GPUs of every pipeline with a profit of `least` USD/h or more, and its tokens/s up to `worth.most`.

    Pipelines that hold a GPU more than their throughput needs are left out. None when there are over
    `limit`, or as many to look at.
    """
    pool = pool_of(replace(table, usd_per_hour=worth.usd_per_hour))
    prices = worth.usd_per_hour[pool.types]
    floors = useful_floors(table, worth.most)
    found: dict[Gpus, float] = {}
    for start in range(0, len(floors), _FLOORS_AT_ONCE):
        part = floors[::-1][start : start + _FLOORS_AT_ONCE]
        fewest = fewest_gpus(pool, part)
        gpus = [_gpus(fewest[row], table.most_stages, table.gpus[g]) for row, g in enumerate(pool.types)]
        rest = _rest(gpus, prices)
        budgets = worth.of(part) - least
        for floor in np.flatnonzero(rest[0][-1, -1] <= budgets):
            slices = [of_type[..., floor] for of_type in gpus], [costs[..., floor] for costs in rest]
            vectors = _vectors(*slices, prices, float(budgets[floor]), limit)
            if vectors is None:
                return None
            tokens_per_s = float(min(part[floor], worth.most))
            for vector in vectors:
                used = np.zeros(len(table.gpus), dtype=np.int64)
                used[pool.types] = vector
                found.setdefault(tuple(used.tolist()), tokens_per_s)
            if len(found) > limit:
                return None
    return found


def _gpus(fewest: Floats, most_stages: int, count: int) -> Floats:
    """Fewest GPUs of a type on which exactly k stages hold l layers, infinite above its count.

    From the fewest of one stage, shape (L + 1, floors), to shape (most stages + 1, L + 1, floors).
    """
    gpus = np.full((most_stages + 1, *fewest.shape), np.inf)
    gpus[0, 0] = 0
    for k in range(1, most_stages + 1):
        for n in np.flatnonzero(np.isfinite(fewest).any(axis=1)):
            np.minimum(gpus[k, n:], gpus[k - 1, : len(fewest) - n] + fewest[n], out=gpus[k, n:])
    gpus[gpus > count] = np.inf
    return gpus


def _rest(gpus: list[Floats], prices: Floats) -> list[Floats]:
    """Least cost of at most k stages over l layers on the types from each one on; the last has none left."""
    costs = np.full_like(gpus[0], np.inf)
    costs[:, 0] = 0
    rest = [costs]
    stages, layers = costs.shape[:2]
    for of_type, price in zip(reversed(gpus), reversed(prices.tolist()), strict=True):
        costs = rest[0].copy()
        for k, n in np.argwhere(np.isfinite(of_type[1:]).any(axis=2)):
            part = rest[0][: stages - 1 - k, : layers - n] + of_type[k + 1, n] * price
            np.minimum(costs[k + 1 :, n:], part, out=costs[k + 1 :, n:])
        rest.insert(0, costs)
    return rest


def _vectors(
    gpus: list[Floats], rest: list[Floats], prices: Floats, budget: float, limit: int
) -> list[Gpus] | None:
    """The GPUs per type of every plan within the budget; None when more than `limit` are under way.

    Type after type: what is taken so far and the layers left, with the most stages left for them. Each
    state is kept only if `rest` says that it can be completed, so that no work is in vain.
    """
    stages, layers = (size - 1 for size in gpus[0].shape)
    states: dict[tuple[Gpus, int], tuple[int, float]] = {((), layers): (stages, 0.0)}
    for of_type, after, price in zip(gpus, rest[1:], prices.tolist(), strict=True):
        grown: dict[tuple[Gpus, int], tuple[int, float]] = {}
        for (taken, left), (stages_left, cost) in states.items():
            costs = cost + of_type[: stages_left + 1, : left + 1] * price
            open_ = costs + after[: stages_left + 1, : left + 1][::-1, ::-1] <= budget
            for k, n in np.argwhere(open_).tolist():
                key = ((*taken, int(of_type[k, n])), left - n)
                if key not in grown or grown[key][0] < stages_left - k:
                    grown[key] = stages_left - k, float(costs[k, n])
            if len(grown) > limit:
                return None
        states = grown
    return [taken for taken, left in states if left == 0]
