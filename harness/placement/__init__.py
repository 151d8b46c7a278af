"""Which GPUs serve which layers, at what tensor-parallel degree, for how much money."""

from harness.placement.cheapest import cheapest_per_token
from harness.placement.connections import count_connections
from harness.placement.milp import Goal, build_model, solve
from harness.placement.plan import Plan, verify_plan
from harness.placement.problem import Problem
from harness.placement.reader import read_problem
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)

__all__ = [
    "CORRECTED",
    "DOCUMENTED",
    "Goal",
    "Plan",
    "Problem",
    "all_sizes",
    "build_model",
    "cheapest_per_token",
    "coarse_sizes",
    "count_connections",
    "enumerate_segments",
    "fine_sizes",
    "read_problem",
    "solve",
    "verify_plan",
]
