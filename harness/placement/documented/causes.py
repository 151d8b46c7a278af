"""What the documented method loses by, cause by cause, and the exact fronts with and without each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.placement.documented.documented_front import documented_front, documented_plan
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.plan import Plan
from harness.placement.problem import Problem
from harness.placement.rates import RateModel
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    Rules,
    all_sizes,
)

WEIGHTED = "weighted objective instead of USD per token"
GRID = "budget grid instead of any budget"
BIG_M = "big-M of types with an unused group"
GPU_NUMBERS = "GPU numbers compared without their type"
FILTER = "connections dropped by rank of bandwidth"
ORDER = "groups used in order only"
DIVISION = "TP must divide the type's GPU count"
ONE_LAYER = "one layer placed even where it does not fit"
SIZES = "few segment sizes"

# in the order of the ladder
_RULES = {
    BIG_M: "big_m_per_type",
    GPU_NUMBERS: "type_blind_gpu_ids",
    FILTER: "filter_slow_links",
    ORDER: "ordered_groups",
    DIVISION: "tp_divides_count",
    ONE_LAYER: "one_layer_always_fits",
}
# without the order of groups these are not enumerated, so none of them meets free groups
_ORDER_FIRST = (BIG_M, GPU_NUMBERS, FILTER)


@dataclass(frozen=True, slots=True)
class Searched:
    """The front of some rules and sizes, and how a point of it becomes a plan."""

    front: Front
    plan_of: Callable[[FrontPoint], Plan]


def fewer_causes(problem: Problem, sizes: tuple[int, ...], rates: RateModel) -> list[tuple[str, Searched]]:
    """One rule less each time, and every size in the end: then the front is the exact one."""
    rules, found = DOCUMENTED, []
    for cause, rule in _RULES.items():
        rules = _without(rules, rule)
        found.append((cause, search(problem, sizes, rules, rates)))
    return [*found, (SIZES, search(problem, all_sizes(problem.layers), rules, rates))]


def each_alone(problem: Problem, sizes: tuple[int, ...], rates: RateModel) -> list[tuple[str, Searched]]:
    """The documented rules without one cause at a time, except the order of groups."""
    found = [
        (cause, search(problem, sizes, _without(DOCUMENTED, rule), rates))
        for cause, rule in _RULES.items()
        if cause != ORDER
    ]
    return [*found, (SIZES, search(problem, all_sizes(problem.layers), DOCUMENTED, rates))]


def each_added(problem: Problem, sizes: tuple[int, ...], rates: RateModel) -> list[tuple[str, Searched]]:
    """The exact method with one cause at a time, except those that need groups in order."""
    every = all_sizes(problem.layers)
    found = [
        (
            cause,
            search(problem, every, replace(CORRECTED, name=f"corrected with {rule}", **{rule: True}), rates),
        )
        for cause, rule in _RULES.items()
        if cause not in _ORDER_FIRST
    ]
    return [*found, (SIZES, search(problem, sizes, CORRECTED, rates))]


def _without(rules: Rules, rule: str) -> Rules:
    return replace(rules, name=f"{rules.name} without {rule}", **{rule: False})


def search(problem: Problem, sizes: tuple[int, ...], rules: Rules, rates: RateModel) -> Searched:
    """The front of these rules and sizes within the config's budget."""
    front = documented_front(problem, sizes, rules, rates)
    # the same slack as Front.fastest_within
    most = problem.config.budget_usd_per_hour * (1 + 1e-12)
    within = tuple(point for point in front.points if point.usd_per_hour <= most)
    return Searched(
        replace(front, points=within),
        lambda point: documented_plan(point.choice, problem, sizes, rules, rates),
    )
