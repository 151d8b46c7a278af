"""Loss by cause: a ladder from the documented method to the proven optimum, one cause less on each rung.

Every rung is the exact optimum of its rules, so no solver's luck is in it. What a cause costs depends on
which others are gone before it; next to the ladder each is taken away alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.placement.documented.budgets import COARSE_FACTORS, budgets_around
from harness.placement.documented.causes import (
    GRID,
    WEIGHTED,
    Searched,
    each_added,
    each_alone,
    fewer_causes,
    search,
)
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.plan import Plan
from harness.placement.problem import Problem, tokens_per_s_per_usd
from harness.placement.rates import DOCUMENTED_RATES, RateModel
from harness.placement.segments import DOCUMENTED, default_sizes

_BALANCED = 0.5


@dataclass(frozen=True, slots=True)
class Rung:
    """What is best once a cause is gone too; point and plan are None where there is no plan.

    `figure` is USD per million tokens (infinite without a plan) or tokens/s (0 without). `factor` is how
    many times worse it was before: 1 where nothing changes, below 1 where the cause had helped. Under
    the documented big-M the plan's stages may be faster than the point.
    """

    cause: str
    point: FrontPoint | None
    plan: Plan | None
    figure: float
    factor: float


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs from the documented method (nothing removed, factor 1) to the optimum; the factors make `total`.

    `alone`: each cause but the order of groups taken away from the documented rules, at any budget,
    while all others stay. `added`: each cause but those about types' big-M, GPU numbers and filter
    brought into the exact method by itself; its factor is how many times worse that makes the optimum.
    """

    rungs: tuple[Rung, ...]
    total: float
    alone: tuple[Rung, ...]
    added: tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """Both ladders, with segments of `sizes` until those are freed.

    `cheapest_token` starts at the weighted objective with the config's weight, `most_throughput` at the
    fastest of the `budgets` (USD/h). `balanced` is the weighted objective at weight 0.5.
    """

    sizes: tuple[int, ...]
    budgets: tuple[float, ...]
    balanced: Rung
    cheapest_token: Ladder
    most_throughput: Ladder


@dataclass(frozen=True, slots=True)
class _Aim:
    """What is asked of a front, how it is measured, and whether more is better."""

    best: Callable[[Front], FrontPoint | None]
    figure: Callable[[FrontPoint | None], float]
    higher: bool

    def step(self, cause: str, searched: Searched) -> _Step:
        return cause, searched, self.best(searched.front)

    def rung(self, cause: str, searched: Searched, point: FrontPoint | None) -> Rung:
        return Rung(cause, point, searched.plan_of(point) if point else None, self.figure(point), 1.0)

    def after(self, figure: float, rung: Rung) -> Rung:
        """With the factor by which `figure` was worse."""
        return replace(rung, factor=self.times_worse(figure, rung.figure))

    def before(self, figure: float, rung: Rung) -> Rung:
        """With the factor by which it is worse than `figure`."""
        return replace(rung, factor=self.times_worse(rung.figure, figure))

    def times_worse(self, figure: float, than: float) -> float:
        """1 of two equal figures, be they 0 or infinite."""
        if figure == than:
            return 1.0
        more, less = (than, figure) if self.higher else (figure, than)
        return more / less if less else math.inf


# the cause, the front without it (or with it), the point chosen from that
_Step = tuple[str, Searched, FrontPoint | None]

_TOKEN = _Aim(Front.cheapest_token, lambda p: p.usd_per_million_tokens if p else math.inf, higher=False)
_SPEED = _Aim(
    lambda front: front.points[-1] if front.points else None, lambda p: p.tokens_per_s if p else 0.0, True
)


def audit(problem: Problem, rates: RateModel = DOCUMENTED_RATES, sizes: Iterable[int] | None = None) -> Audit:
    """Audit the documented method with these sizes, by default those that the config asks for.

    Plans above the config's budget do not count, and of plans that a program may return for a budget the
    cheapest does. HarnessError where a link can bind or the pool is too large to enumerate.
    """
    chosen = default_sizes(problem, DOCUMENTED) if sizes is None else tuple(sorted(set(sizes)))
    start = search(problem, chosen, DOCUMENTED, rates)
    fewer = fewer_causes(problem, chosen, rates)
    alone, added = each_alone(problem, chosen, rates), each_added(problem, chosen, rates)
    weighted = _weighted(start, problem, problem.config.cost_throughput_weight)
    budgets = _grid(problem, weighted)
    bought = [start.front.fastest_within(budget) for budget in budgets]
    grid = Front(tuple(point for point in bought if point), len(bought), len(bought))

    def ladder(aim: _Aim, first: list[_Step]) -> Ladder:
        steps = [aim.rung(*step) for step in [*first, aim.step(GRID, start), *(aim.step(*f) for f in fewer)]]
        documented, optimum = aim.figure(aim.best(start.front)), steps[-1].figure
        rungs = [steps[0], *(aim.after(a.figure, b) for a, b in itertools.pairwise(steps))]
        without = [aim.after(documented, aim.rung(*aim.step(*each))) for each in alone]
        within = [aim.before(optimum, aim.rung(*aim.step(*each))) for each in added]
        total = aim.times_worse(steps[0].figure, optimum)
        return Ladder(tuple(rungs), total, tuple(without), tuple(within))

    return Audit(
        chosen,
        budgets,
        _TOKEN.rung("", start, _weighted(start, problem, _BALANCED)),
        ladder(_TOKEN, [("", start, weighted), (WEIGHTED, start, _TOKEN.best(grid))]),
        ladder(_SPEED, [("", start, max(grid.points, key=_SPEED.figure, default=None))]),
    )


def _grid(problem: Problem, ballpark: FrontPoint | None) -> tuple[float, ...]:
    """The budgets of the documented enumeration, none without a first plan."""
    if ballpark is None:
        return ()
    factors = problem.config.budget_factors or COARSE_FACTORS
    return budgets_around(ballpark.usd_per_hour, problem, factors)


def _weighted(searched: Searched, problem: Problem, weight: float) -> FrontPoint | None:
    front, price = searched.front, tokens_per_s_per_usd(weight, problem.config)
    if math.isinf(price):
        return front.points[0] if front.points else None
    return front.best_weighted(price)
