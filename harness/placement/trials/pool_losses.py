"""What a rule costs over many pools: how much dearer the cheapest token gets, pool by pool.

A pool that loses every plan has an infinite loss. Medians and 90th percentiles count it as the largest,
shares as over any limit; the worst loss is that of the pools that keep a plan, the others are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from harness.measure.spec import Metric
from harness.placement.exact.ratio import cheapest_token
from harness.placement.inputs.generator import pool_family
from harness.placement.problem import Floats, Problem
from harness.placement.segments import CORRECTED, all_sizes, enumerate_segments
from harness.placement.stages import stage_table

DEARER = 0.05  # the loss that the document allows

ELEVEN_SIZES = (1, 3, 5, 8, 10, 15, 20, 25, 30, 35, 40)
FOUR_SIZES = (1, 10, 20, 40)

POOLS = 100

SizesOf = Callable[[int], Iterable[int]]


@dataclass(frozen=True, slots=True)
class PoolCosts:
    """USD per million tokens of what a rule finds on each pool, and of the `least` that there is.

    Infinite where there is no plan. `segments` and `solves` are those of all pools, 0 if not counted.
    """

    usd_per_million_tokens: tuple[float, ...]
    least: tuple[float, ...]
    segments: int = 0
    solves: int = 0

    @property
    def without_plan(self) -> int:
        """Pools on which the rule finds no plan."""
        return sum(map(math.isinf, self.usd_per_million_tokens))


@cache
def hundred_pools() -> tuple[Problem, ...]:
    """The first hundred pools of the seeded family, the same objects at every call."""
    return pool_family(POOLS)


def up_to(sizes: Iterable[int], layers: int) -> tuple[int, ...]:
    """A list of sizes for a model of so many layers: those below, and all layers at once.

    This is what the documented rule does with its own list beyond 40 layers.
    """
    return tuple(sorted({*(size for size in sizes if size < layers), layers}))


@cache
def costs_of_sizes(pools: tuple[Problem, ...], sizes_of: SizesOf) -> PoolCosts:
    """The proven cheapest token with these sizes, and with every size, under corrected rules; kept."""
    sizes = [tuple(sizes_of(problem.layers)) for problem in pools]
    segments = sum(
        len(enumerate_segments(p, chosen, CORRECTED)) for p, chosen in zip(pools, sizes, strict=True)
    )
    return PoolCosts(
        tuple(_cheapest(problem, chosen) for problem, chosen in zip(pools, sizes, strict=True)),
        tuple(_cheapest(problem, all_sizes(problem.layers)) for problem in pools),
        segments,
    )


@cache
def _cheapest(problem: Problem, sizes: tuple[int, ...]) -> float:
    found = cheapest_token(stage_table(problem, sizes=sizes))
    return math.inf if found is None else found.point.usd_per_million_tokens


def losses(reference: Sequence[float], chosen: Sequence[float]) -> Floats:
    """chosen / reference - 1, ascending: infinite where only the reference has a plan, -1 where only
    the other has one.

    Pools without a plan on either side are left out: there is nothing to lose.
    """
    before, after = np.array(reference), np.array(chosen)
    either = np.isfinite(before) | np.isfinite(after)
    found: Floats = np.sort(after[either] / before[either] - 1)
    return found


def quantile(found: Floats, share: float) -> float:
    """The loss that at least this share of the pools does not exceed."""
    return float(np.quantile(found, share, method="higher"))


def worst(found: Floats) -> float:
    """The largest loss of a pool that keeps a plan; 0 when none does."""
    kept = found[np.isfinite(found)]
    return float(kept[-1]) if len(kept) else 0.0


def share_over(found: Floats, limit: float = DEARER) -> float:
    """The share of pools that lose more than the limit."""
    return float(np.mean(found > limit * (1 + 1e-9)))


def loss_metrics() -> tuple[Metric, ...]:
    """Metrics of two arms that return `PoolCosts`: losses to the other arm, and to the least there is."""
    return (
        *_losses_to("baseline", lambda reference, _: reference.usd_per_million_tokens),
        *_losses_to("optimum", lambda _, chosen: chosen.least),
        Metric("pools_without_plan", "pools", gate="exact", value=lambda costs: costs.without_plan),
    )


_Costs = Callable[[PoolCosts, PoolCosts], Sequence[float]]


def _losses_to(name: str, reference_of: _Costs) -> Iterator[Metric]:
    for title, statistic in (
        ("median_loss", lambda found: quantile(found, 0.5)),
        ("p90_loss", lambda found: quantile(found, 0.9)),
        ("worst_loss", worst),
    ):
        loss = partial(_read, statistic, reference_of)
        yield Metric(f"{title}_to_{name}", "ratio", gate="bounded", limit=DEARER, compare=loss)
    yield Metric(f"dearer_share_to_{name}", "ratio", compare=partial(_read, share_over, reference_of))


def _read(
    statistic: Callable[[Floats], float], reference_of: _Costs, baseline: PoolCosts, chosen: PoolCosts
) -> float:
    return statistic(losses(reference_of(baseline, chosen), chosen.usd_per_million_tokens))
