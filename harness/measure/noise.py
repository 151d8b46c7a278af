"""The noise floor: how different two identical arms look on this machine right now."""

from __future__ import annotations

import math

from harness.measure.analysis import paired_effect
from harness.measure.arms import Arm
from harness.measure.outcome import Effect
from harness.measure.rounds import Plan, ready_pair, record
from harness.measure.spec import Clock, Metric

METRIC = Metric("duration", unit="s", gate="paired")


def count_up(steps: int) -> int:
    """A pure-Python loop whose work is proportional to `steps`; about 30 ns each."""
    total = 0
    for step in range(steps):
        total = (total + step) & 0xFFFF
    return total


def identical_arms(clock: Clock, budget_s: float, steps: int = 30_000) -> Effect:
    """Effect between two identical arms (A/A), measured for `budget_s` seconds."""
    arm = Arm(lambda: count_up(steps))
    plan = Plan(budget_s=budget_s)
    with ready_pair(arm, arm, (METRIC,), clock) as pair:
        recording = record(pair, plan, lambda so_far, confidence: False)
    effect = paired_effect(recording, METRIC.name, "optimized", plan, plan.confidence)
    return effect or Effect(1.0, 1e-9, 1e9, plan.confidence)


def noise_floor(clock: Clock, budget_s: float = 0.4) -> float:
    """The largest relative difference that the A/A interval still allows."""
    effect = identical_arms(clock, budget_s)
    return math.expm1(max(-math.log(effect.low), math.log(effect.high)))
