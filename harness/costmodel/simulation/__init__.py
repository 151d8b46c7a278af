"""Engines on a virtual clock: requests and a step time in, times of every token that matters out."""

from harness.costmodel.simulation.continuous import simulate_continuous
from harness.costmodel.simulation.outcome import (
    Goodput,
    Limits,
    Outcome,
    busy_energy_upper_bound_j,
    goodput_of,
    outcome_of,
    usd_per_million_output_tokens,
)
from harness.costmodel.simulation.requests import Requests, Served, requests_of
from harness.costmodel.simulation.rules import SchedulerRules, sarathi_rules, vllm_rules
from harness.costmodel.simulation.static import simulate_sequential, simulate_static
from harness.costmodel.simulation.step_time import AffineStepTime
from harness.costmodel.simulation.workload import ClosedLoop, poisson_arrivals, poisson_requests

__all__ = [
    "AffineStepTime",
    "ClosedLoop",
    "Goodput",
    "Limits",
    "Outcome",
    "Requests",
    "SchedulerRules",
    "Served",
    "busy_energy_upper_bound_j",
    "goodput_of",
    "outcome_of",
    "poisson_arrivals",
    "poisson_requests",
    "requests_of",
    "sarathi_rules",
    "simulate_continuous",
    "simulate_sequential",
    "simulate_static",
    "usd_per_million_output_tokens",
    "vllm_rules",
]
