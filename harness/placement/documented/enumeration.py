"""The documented enumeration: the fastest plan of each of several budgets; the cheapest token wins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.placement.documented.budgets import (
    COARSE_FACTORS,
    budgets_around,
    budgets_without_ballpark,
    within_config,
)
from harness.placement.documented.methods import (
    MethodResult,
    Search,
    Solve,
    method_result,
    solve_within,
    weighted,
)

_COMPARED_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both methods on the same problem."""

    weighted: MethodResult
    enumeration: MethodResult

    @property
    def gap(self) -> float:
        """How much dearer a token of the weighted method is: 0.05 is 5 %; NaN unless both have a plan.

        Infinite next to a free plan, unless both are free.
        """
        if self.weighted.best is None or self.enumeration.best is None:
            return math.nan
        return dearer(self.weighted.best.usd_per_token, self.enumeration.best.usd_per_token)


def dearer(usd: float, than: float) -> float:
    """By what share: 0 of equal figures, infinite next to nothing."""
    return 0.0 if usd == than else usd / than - 1 if than else math.inf


def compare(
    search: Search, weight: float = _COMPARED_WEIGHT, *, factors: Iterable[float] | None = None
) -> Comparison:
    """Both methods; the document compares the weighted one at 0.5 with the enumeration."""
    first = weighted(search, weight)
    same = weight == search.problem.config.cost_throughput_weight
    ballpark = first.solves[0] if same else None
    return Comparison(first, enumeration(search, factors=factors, ballpark=ballpark))


def enumeration(
    search: Search,
    *,
    budgets: Iterable[float] | None = None,
    factors: Iterable[float] | None = None,
    ballpark: Solve | None = None,
) -> MethodResult:
    """The lowest USD per token among the fastest plans of several budgets.

    Phase 1 finds a ballpark, the weighted plan at the config's weight, unless one is given. Phase 2 solves
    for budgets around it, by `factors` (the config's by default, else the six coarse ones). With
    `budgets` of one's own, in USD/h, there is no phase 1.
    """
    problem, config = search.problem, search.problem.config
    if budgets is not None:
        return _enumerate(search, [], within_config(problem, budgets), [])
    first = ballpark or solve_within(search, config.budget_usd_per_hour, config.cost_throughput_weight)
    if first.status == "infeasible":
        return _enumerate(search, [first], (), [])
    if first.plan is None:
        warning = "no ballpark: eight budgets over the whole range instead"
        return _enumerate(search, [first], budgets_without_ballpark(problem), [warning])
    chosen = tuple(factors or config.budget_factors or COARSE_FACTORS)
    around = budgets_around(first.plan.usd_per_hour, problem, chosen)
    return _enumerate(search, [first], around, _ballpark_warnings(first, config.max_cost_per_token))


def _ballpark_warnings(ballpark: Solve, target: float) -> list[str]:
    if ballpark.usd_per_token <= target:
        return []
    usd = f"{ballpark.usd_per_token:.4g} USD"
    return [
        f"phase 1 stops at its first plan, though a token costs {usd}, above max_cost_per_token, {target:.4g}"
    ]


def _enumerate(
    search: Search, first: list[Solve], budgets: tuple[float, ...], warnings: list[str]
) -> MethodResult:
    solves: list[Solve] = []
    for budget in budgets:
        if search.stopped:
            break
        solves.append(solve_within(search, budget, 0.0))
    if len(solves) < len(budgets):
        warnings = [*warnings, f"stopped after {len(solves)} of {len(budgets)} budgets"]
    return method_result("enumeration", search, [*first, *solves], budgets, warnings)
