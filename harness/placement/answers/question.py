"""What `harness place` is asked: rules, rates, sizes, a goal and limits, with contradictions refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.exact.limits import Limits
from harness.placement.problem import Config, Problem, tokens_per_s_per_usd
from harness.placement.rates import RateModel
from harness.placement.segments import Rules, all_sizes, coarse_sizes, default_sizes, fine_sizes

_SIZE_WORDS: dict[str, Callable[[int], tuple[int, ...]]] = {
    "all": all_sizes,
    "coarse": coarse_sizes,
    "fine": fine_sizes,
}


@dataclass(frozen=True, slots=True)
class Question:
    """Without budget, floor and weight the lowest USD per token is asked for.

    A budget (USD/h) asks for the fastest plan within it, a floor (tokens/s) for the cheapest at or
    above it, both for the lowest USD per token between them. `cost_weight` is 0 for throughput alone,
    1 for cost alone. `contiguous`: the stages of one GPU type stand next to each other.
    """

    rules: Rules
    rates: RateModel
    sizes: tuple[int, ...]
    budget: float | None = None
    floor: float | None = None
    cost_weight: float | None = None
    limits: Limits = field(default_factory=Limits)
    contiguous: bool = False

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.cost_weight is not None:
            return f"most throughput less cost at weight {self.cost_weight:g}"
        if self.budget is not None and self.floor is None:
            return f"fastest within {self.budget:g} USD/h"
        if self.floor is not None and self.budget is None:
            return f"cheapest at {self.floor:g} tokens/s or more"
        if self.budget is not None and self.floor is not None:
            return f"cheapest token within {self.budget:g} USD/h at {self.floor:g} tokens/s or more"
        return "cheapest token"

    def figure(self, point: FrontPoint) -> float:
        """What the goal asks to be small, positive; NaN for a weighted goal, which has no zero."""
        if self.cost_weight is not None:
            return math.nan
        if self.budget is not None and self.floor is None:
            return 1 / point.tokens_per_s
        if self.floor is not None and self.budget is None:
            return point.usd_per_hour
        return point.usd_per_million_tokens

    def choose(self, front: Front, config: Config) -> FrontPoint | None:
        """The point that answers the question; the config's own budget holds for every goal."""
        most = min(config.budget_usd_per_hour, math.inf if self.budget is None else self.budget)
        if self.cost_weight is not None:
            within = _between(front, most, 0.0)
            price = tokens_per_s_per_usd(self.cost_weight, config)
            return within.points[0] if math.isinf(price) and within.points else within.best_weighted(price)
        within = _between(front, most, self.floor or 0.0)
        if self.budget is not None and self.floor is None:
            return within.fastest_within(most)
        if self.floor is not None and self.budget is None:
            return within.cheapest_at(self.floor)
        return within.cheapest_token()


def _between(front: Front, usd_per_hour: float, tokens_per_s: float) -> Front:
    """The part of a front within a budget and at or above a throughput."""
    kept = tuple(
        point
        for point in front.points
        # the same slack as Front.fastest_within
        if point.usd_per_hour <= usd_per_hour * (1 + 1e-12) and point.tokens_per_s >= tokens_per_s
    )
    return Front(kept, front.thresholds, front.visited, front.proven)


def sizes_of(text: str | None, problem: Problem, rules: Rules) -> tuple[int, ...]:
    """The segment sizes of `--sizes`: a word, or numbers; without it the default ones."""
    layers = problem.layers
    if text is None:
        return default_sizes(problem, rules)
    if text in _SIZE_WORDS:
        return _SIZE_WORDS[text](layers)
    try:
        sizes = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        sizes = ()
    if not sizes or not 1 <= sizes[0] <= sizes[-1] <= layers:
        raise HarnessError(
            f"{text!r} is not a choice of sizes",
            where="--sizes",
            allowed=f"all, coarse, fine, or numbers from 1 to {layers} with commas between",
        )
    return sizes
