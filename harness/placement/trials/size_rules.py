"""What a choice of segment sizes saves and costs: counts, a program to solve, the loss in USD per token."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from harness.placement.documented.connections import count_connections
from harness.placement.documented.milp import Goal, Milp, build_model, solve
from harness.placement.exact.ratio import cheapest_token
from harness.placement.plan import Plan, Solution, verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED, DOCUMENTED, all_sizes, enumerate_segments
from harness.placement.stages import stage_table


@dataclass(frozen=True, slots=True)
class SizedModel:
    """The problem cut into segments of these sizes.

    `binary_variables` are the documented solver's: segments and the connections its rules leave.
    `milp` has the same segments without connections, valid big-M, no order of groups.
    """

    sizes: tuple[int, ...]
    segments: int
    binary_variables: int
    milp: Milp
    solution: Solution | None = None

    @property
    def plan(self) -> Plan:
        """The plan found; HarnessError (exit 3) where there is none."""
        return (self.solution or Solution("no plan found", None)).require()


def size_model(problem: Problem, sizes: Iterable[int], usd_per_hour: float) -> SizedModel:
    """Enumerate, count and build for the most tokens/s within this budget."""
    chosen = tuple(sizes)
    segments = enumerate_segments(problem, chosen, DOCUMENTED)
    connections = count_connections(segments, problem, DOCUMENTED).after_filter
    milp = build_model(segments, problem, CORRECTED, Goal(usd_per_hour=usd_per_hour))
    return SizedModel(chosen, len(segments), len(segments) + connections, milp)


def solve_model(model: SizedModel, *, seeds: int = 1) -> SizedModel:
    """The same model with its proven optimum, solved once for each of the solver's seeds 0 to `seeds` - 1.

    A seed is one path through the search tree: times differ by a quarter between seeds, optima do not.
    """
    solutions = [solve(model.milp, seed=seed) for seed in range(seeds)]
    return replace(model, solution=solutions[0])


def loss_against(reference: SizedModel, chosen: SizedModel) -> float:
    """How much dearer the cheapest token, at any budget, is with the chosen sizes than with the others.

    Infinite when a plan found breaks a rule, or is cheaper than its own sizes allow: it is wrong then.
    """
    problem = chosen.milp.problem
    for model in (reference, chosen):
        broken = verify_plan(model.plan, problem, CORRECTED)
        if broken or model.plan.usd_per_token < _usd_per_token(problem, model.sizes) * (1 - 1e-9):
            return math.inf
    return _usd_per_token(problem, chosen.sizes) / _usd_per_token(problem, reference.sizes) - 1


def loss_against_every_size(_: SizedModel, chosen: SizedModel) -> float:
    """How much dearer the cheapest token, at any budget, is with the chosen sizes than with every size."""
    problem = chosen.milp.problem
    exact = _usd_per_token(problem, all_sizes(problem.layers))
    return _usd_per_token(problem, chosen.sizes) / exact - 1


@cache
def _usd_per_token(problem: Problem, sizes: tuple[int, ...]) -> float:
    found = cheapest_token(stage_table(problem, DOCUMENTED, sizes=sizes))
    return math.inf if found is None else found.point.usd_per_million_tokens / 1e6
