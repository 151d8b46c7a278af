"""Which budgets the documented enumeration tries: around a first plan's cost, within a range from prices."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.placement.problem import Problem
from harness.placement.segments import TP_DEGREES

COARSE_FACTORS = (0.4, 0.7, 0.9, 1.0, 1.2, 1.5)
FINE_FACTORS = (0.25, 0.4, 0.6, 0.75, 0.85, 0.95, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0)
COARSEST_FACTORS = (0.5, 1.0, 1.5)

# USD/h that the document tried before it looked at prices, whatever the pool.
BLIND_BUDGETS = (0.30, 0.50, 0.80, 1.20, 2.00, 3.50, 6.00, 10.0)

_LEAST, _MOST = 0.20, 20.0
_AGGRESSIVE_USD_PER_TOKEN = 0.0001
_WITHOUT_BALLPARK = 8


def budget_range(problem: Problem) -> tuple[float, float]:
    """(lowest, highest) budget worth a try, in USD/h, from prices and the target alone.

    max(0.20, 0.8 * the cheapest GPU) and min(20, 1.5 * the dearest group of up to 8); the highest is at
    most 0.8 * that group where `max_cost_per_token` is below 0.0001 USD, as the published script has it.
    """
    groups = [gpu.usd_per_hour * tp for gpu in problem.pool for tp in TP_DEGREES if tp <= gpu.count]
    if not groups:
        return _LEAST, _MOST
    low, high = max(_LEAST, 0.8 * min(groups)), min(_MOST, 1.5 * max(groups))
    if problem.config.max_cost_per_token < _AGGRESSIVE_USD_PER_TOKEN:
        high = min(high, 0.8 * max(groups))
    return low, high


def budgets_around(
    ballpark_usd_per_hour: float, problem: Problem, factors: Iterable[float]
) -> tuple[float, ...]:
    """The ballpark times each factor, the range's ends and half its upper end, ascending, in USD/h.

    Budgets below half the range's lower end or above 1.5 times its upper end are left out, and so is
    what the config's own budget forbids.
    """
    low, high = budget_range(problem)
    tried = [*(ballpark_usd_per_hour * factor for factor in factors), low, high / 2, high]
    return within_config(problem, [budget for budget in tried if low / 2 <= budget <= 1.5 * high])


def budgets_without_ballpark(problem: Problem) -> tuple[float, ...]:
    """Eight budgets over the range, each the same multiple of the one before."""
    low, high = budget_range(problem)
    step = (high / low) ** (1 / (_WITHOUT_BALLPARK - 1))
    return within_config(problem, [low * step**count for count in range(_WITHOUT_BALLPARK)])


def within_config(problem: Problem, budgets: Iterable[float]) -> tuple[float, ...]:
    """Ascending, equal ones once, none above the config's own budget, which stands for those above it."""
    kept: list[float] = []
    for budget in sorted(min(budget, problem.config.budget_usd_per_hour) for budget in budgets):
        if not kept or not math.isclose(budget, kept[-1], rel_tol=1e-9):
            kept.append(budget)
    return tuple(kept)
