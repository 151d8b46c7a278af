"""Which pipelines improve a fleet, given what a token and a GPU of each type are worth to it.

A pipeline is worth `usd_per_token_s` for each of the tokens/s it adds, up to those that are asked for,
less the worth of its GPUs: its profit. Cheapest plans at a throughput floor maximise it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from harness.placement.exact.front import Oracle
from harness.placement.exact.ratio import relaxed_usd
from harness.placement.exact.sweep import pool_of
from harness.placement.problem import Floats
from harness.placement.stages import Choice, StageTable

_FLOORS_AT_ONCE = 64
_SEARCHED_AT_ONCE = 8
_LAST_BITS = 1e-12


@dataclass(frozen=True, slots=True)
class Worth:
    """`usd_per_hour` of one GPU per type, shape (G,), and USD/h of one token/s, of which `most` are asked."""

    usd_per_hour: Floats
    usd_per_token_s: float
    most: float

    def of(self, tokens_per_s: Floats) -> Floats:
        """USD/h that these throughputs earn."""
        return self.usd_per_token_s * np.minimum(tokens_per_s, self.most)


def useful_floors(table: StageTable, most: float) -> Floats:
    """The thresholds that can tell pipelines apart when throughput above `most` counts for nothing."""
    thresholds = table.thresholds
    return thresholds[: int(np.searchsorted(thresholds, most)) + 1]


def profitable(
    table: StageTable, worth: Worth, oracle: Oracle, enough: float = math.inf
) -> tuple[float, list[Choice]]:
    """The most profit of any pipeline, in USD/h, and the choices found on the way to it; -inf without any.

    Floors are searched by descending bound on their profit, until no bound is above the best profit, or
    that is more than `enough`.
    """
    priced = replace(table, usd_per_hour=worth.usd_per_hour)
    pool, floors = pool_of(priced), useful_floors(table, worth.most)
    chunks = np.split(floors, range(_FLOORS_AT_ONCE, len(floors), _FLOORS_AT_ONCE))
    bounds = worth.of(floors) - np.concatenate([relaxed_usd(pool, chunk) for chunk in chunks])
    order = np.argsort(-bounds, kind="stable")
    best, found = -math.inf, []
    for start in range(0, len(order), _SEARCHED_AT_ONCE):
        some = order[start : start + _SEARCHED_AT_ONCE]
        some = np.sort(some[bounds[some] > best + _LAST_BITS])
        if not len(some) or best > enough:
            break
        for choice in oracle(priced, floors[some].tolist()):
            if choice is not None:
                best = max(best, profit(table, worth, choice))
                found.append(choice)
    return best, found


def profit(table: StageTable, worth: Worth, choice: Choice) -> float:
    """What the tokens of a pipeline earn less what its GPUs are worth, in USD/h."""
    cost = math.fsum(float(worth.usd_per_hour[table.type[kind]] * table.tp[kind]) for kind, _ in choice)
    return float(worth.of(np.array(table.rate(choice)))) - cost
