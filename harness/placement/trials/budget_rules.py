"""What the documented methods find when every solve is proven: read off fronts, not solved anew.

The fastest plan within a budget and the best weighted one are both on the front of the documented
program, so one front answers every budget. A budgeted solve may return a dearer plan of the same
speed than the front's; the front's is what the method can find at best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness.placement.documented.budgets import BLIND_BUDGETS, budgets_around, within_config
from harness.placement.documented.documented_front import documented_front
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.problem import Problem, tokens_per_s_per_usd
from harness.placement.segments import coarse_sizes
from harness.placement.trials.pool_losses import PoolCosts

_SAME = 1 - 1e-12


@dataclass(frozen=True, slots=True)
class Tried:
    """Budgets in USD/h, ascending, and the fastest plan within each; None where there is none."""

    budgets: tuple[float, ...]
    plans: tuple[FrontPoint | None, ...]

    @property
    def best(self) -> FrontPoint | None:
        """The plan with the cheapest token."""
        found = [plan for plan in self.plans if plan is not None]
        return min(found, key=lambda plan: plan.usd_per_million_tokens, default=None)

    @property
    def infeasible(self) -> int:
        """Budgets that buy no plan."""
        return sum(plan is None for plan in self.plans)

    @property
    def wasted(self) -> int:
        """Solves without a plan, or whose token is no cheaper than that of a lower budget."""
        wasted, best = 0, math.inf
        for plan in self.plans:
            usd = math.inf if plan is None else plan.usd_per_million_tokens
            wasted += not usd < best * _SAME
            best = min(best, usd)
        return wasted


def try_around(problem: Problem, factors: Iterable[float]) -> Tried:
    """Budgets around the weighted plan's cost; none where there is no plan."""
    ballpark = weighted_point(problem, problem.config.cost_throughput_weight)
    budgets = () if ballpark is None else budgets_around(ballpark.usd_per_hour, problem, factors)
    return _try(problem, budgets)


def try_blind(problem: Problem) -> Tried:
    """The eight budgets of before, whatever the pool."""
    return _try(problem, within_config(problem, BLIND_BUDGETS))


def _try(problem: Problem, budgets: tuple[float, ...]) -> Tried:
    front = front_of(problem)
    return Tried(budgets, tuple(front.fastest_within(budget) for budget in budgets))


def weighted_point(problem: Problem, weight: float) -> FrontPoint | None:
    """The weighted method's proven optimum."""
    front = front_of(problem)
    price = tokens_per_s_per_usd(weight, problem.config)
    return front.best_weighted(price) if math.isfinite(price) else next(iter(front.points), None)


@cache
def front_of(problem: Problem) -> Front:
    """The front of the documented program with its coarse sizes."""
    return documented_front(problem, coarse_sizes(problem.layers))


@cache
def costs_of_budgets(pools: tuple[Problem, ...], factors: tuple[float, ...]) -> PoolCosts:
    """What the enumeration with these budget points finds on each pool; kept."""
    tried = [try_around(problem, factors) for problem in pools]
    costs = costs_of(pools, [found.best for found in tried])
    return replace(costs, solves=sum(len(found.budgets) for found in tried))


@cache
def costs_of_weight(pools: tuple[Problem, ...], weight: float) -> PoolCosts:
    """What the weighted method finds on each pool; kept."""
    return costs_of(pools, [weighted_point(problem, weight) for problem in pools])


def costs_of(pools: Sequence[Problem], found: Iterable[FrontPoint | None]) -> PoolCosts:
    """What these plans cost; `least` is the cheapest token that the documented program holds."""
    return PoolCosts(
        tuple(_usd(point) for point in found), tuple(_usd(front_of(p).cheapest_token()) for p in pools)
    )


def _usd(point: FrontPoint | None) -> float:
    return math.inf if point is None else point.usd_per_million_tokens
