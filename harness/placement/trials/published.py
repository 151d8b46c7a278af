"""The figures that the source document expects, as its own rules give them on a problem."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.placement.documented.budgets import COARSE_FACTORS, budget_range
from harness.placement.documented.connections import count_connections
from harness.placement.exact.front import FrontPoint
from harness.placement.problem import Problem
from harness.placement.segments import DOCUMENTED, TP_DEGREES, coarse_sizes, enumerate_segments, fine_sizes
from harness.placement.trials.budget_rules import Tried, front_of, try_around, weighted_point

_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Findings:
    """What both documented methods find, each solve proven, and the budgets that they try.

    `group_usd_per_hour` is what the cheapest GPU and the dearest group of up to 8 cost, `kept_by_target`
    the part of the range's upper end that the target `max_cost_per_token` leaves.
    """

    segments: int
    binary_variables: int
    binary_variables_of_fine_sizes: int
    weighted: FrontPoint
    enumerated: Tried
    cheapest_usd_per_hour: float
    at_6_usd: FrontPoint
    group_usd_per_hour: tuple[float, float]
    budget_range: tuple[float, float]
    kept_by_target: float
    target_usd_per_token: float

    @property
    def best(self) -> FrontPoint:
        """The enumeration's answer."""
        return _required(self.enumerated.best)


def findings(problem: Problem) -> Findings:
    """Both methods on this problem; HarnessError (exit 3) where the documented rules leave no plan."""
    segments, binary_variables = _counts(problem, coarse_sizes(problem.layers))
    front = front_of(problem)
    weighted = _required(weighted_point(problem, _WEIGHT))
    groups = [gpu.usd_per_hour * tp for gpu in problem.pool for tp in TP_DEGREES if tp <= gpu.count]
    without_target = replace(problem, config=replace(problem.config, max_cost_per_token=math.inf))
    low, high = budget_range(problem)
    return Findings(
        segments=segments,
        binary_variables=binary_variables,
        binary_variables_of_fine_sizes=_counts(problem, fine_sizes(problem.layers))[1],
        weighted=weighted,
        enumerated=try_around(problem, COARSE_FACTORS),
        cheapest_usd_per_hour=front.points[0].usd_per_hour,
        at_6_usd=_required(front.fastest_within(6.0)),
        group_usd_per_hour=(min(groups), max(groups)),
        budget_range=(low, high),
        kept_by_target=high / budget_range(without_target)[1],
        target_usd_per_token=problem.config.max_cost_per_token,
    )


def s_per_million_tokens(point: FrontPoint) -> float:
    """Throughput as something that is better when lower."""
    return 1e6 / point.tokens_per_s


def _counts(problem: Problem, sizes: tuple[int, ...]) -> tuple[int, int]:
    """Segments, and with them the connections that the documented rules leave."""
    segments = enumerate_segments(problem, sizes, DOCUMENTED)
    connections = count_connections(segments, problem, DOCUMENTED).after_filter
    return len(segments), len(segments) + connections


def _required(point: FrontPoint | None) -> FrontPoint:
    if point is None:
        raise HarnessError("the documented rules leave no plan", exit_code=EXIT_INFEASIBLE)
    return point
