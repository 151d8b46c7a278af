"""Which GPUs serve which layers, at what tensor-parallel degree, for how much money."""

from harness.placement.documented.connections import count_connections
from harness.placement.documented.milp import Goal, build_model, solve
from harness.placement.exact.front import exact_front
from harness.placement.exact.ratio import cheapest_token
from harness.placement.inputs.reader import read_problem
from harness.placement.plan import Plan, verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)
from harness.placement.stages import stage_table

__all__ = [
    "CORRECTED",
    "DOCUMENTED",
    "Goal",
    "Plan",
    "Problem",
    "all_sizes",
    "build_model",
    "cheapest_token",
    "coarse_sizes",
    "count_connections",
    "enumerate_segments",
    "exact_front",
    "fine_sizes",
    "read_problem",
    "solve",
    "stage_table",
    "verify_plan",
]
