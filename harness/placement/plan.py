"""A plan, what a solver found, and an independent check of both against the problem."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.placement.problem import Config, Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel, stage_link_rate
from harness.placement.segments import Rules, tp_degrees

Status = Literal["optimal", "feasible", "infeasible", "no plan found"]

_RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Stage:
    """Layers `first_layer`..`last_layer` (counted from 1) on the tensor-parallel group `gpus`."""

    gpu_type: str
    gpus: tuple[int, ...]
    first_layer: int
    last_layer: int
    tokens_per_s: float

    @property
    def tp(self) -> int:
        """Tensor-parallel degree."""
        return len(self.gpus)

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.last_layer - self.first_layer + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in layer order; `tokens_per_s` is what the slowest stage or link between them allows."""

    stages: tuple[Stage, ...]
    tokens_per_s: float
    usd_per_hour: float

    @property
    def usd_per_token(self) -> float:
        """Cost of one token at full load."""
        return self.usd_per_hour / (3600.0 * self.tokens_per_s)

    @property
    def usd_per_million_tokens(self) -> float:
        """Cost of a million tokens at full load."""
        return 1e6 * self.usd_per_token


@dataclass(frozen=True, slots=True)
class Solution:
    """What a solver found: a plan, or why there is none.

    `optimal` is proven within the gap that was asked for, `feasible` a plan without that proof,
    `infeasible` a proof that there is no plan, `no plan found` neither. `bound` is the proven best
    objective, `gap` its relative distance from the plan's; NaN where there is none.
    """

    status: Status
    plan: Plan | None
    objective: float = math.nan
    bound: float = math.nan
    gap: float = math.nan

    def require(self) -> Plan:
        """The plan; HarnessError (exit 3) where there is none."""
        if self.plan is None:
            raise HarnessError(
                f"the placement has no plan: {self.status}",
                next_step="raise the budget, the time limit or the pool",
                exit_code=EXIT_INFEASIBLE,
            )
        return self.plan


def plan_of(stages: list[Stage], problem: Problem) -> Plan:
    """The plan these stages make, in layer order, with its throughput and cost."""
    price = {gpu.name: gpu.usd_per_hour for gpu in problem.pool}
    ordered = tuple(sorted(stages, key=lambda stage: stage.first_layer))
    rate = min([stage.tokens_per_s for stage in ordered] + _link_rates(ordered, problem))
    # fsum: the cost of a plan must not depend on the order of its stages.
    return Plan(ordered, rate, math.fsum(price[stage.gpu_type] * stage.tp for stage in ordered))


def verify_plan(
    plan: Plan, problem: Problem, rules: Rules, rates: RateModel = DOCUMENTED_RATES
) -> tuple[str, ...]:
    """What is wrong with a plan, recomputed from the problem alone; empty when nothing is."""
    faults = [fault for stage in plan.stages for fault in _stage_faults(stage, problem, rules, rates)]
    faults += _cover_faults(plan, problem)
    faults += _link_faults(plan, problem)
    used = [gpu for stage in plan.stages for gpu in stage.gpus]
    faults += [
        f"GPU {gpu} is used {used.count(gpu)} times" for gpu in sorted(set(used)) if used.count(gpu) > 1
    ]
    if len(plan.stages) > problem.config.max_pipeline_stages:
        faults.append(f"{len(plan.stages)} stages, at most {problem.config.max_pipeline_stages}")
    price = [gpu.usd_per_hour for gpu in problem.pool for _ in range(gpu.count)]
    cost = math.fsum(price[gpu] for gpu in used if 0 <= gpu < len(price))
    if not _same(plan.usd_per_hour, cost):
        faults.append(f"costs {cost} usd/h, not {plan.usd_per_hour}")
    slowest = min((stage.tokens_per_s for stage in plan.stages), default=math.nan)
    # Above what the links carry is a fault of its own; below it, the plan undersells itself.
    linked = min([slowest, *_link_rates(_placed(plan, problem), problem)])
    if not (_same(plan.tokens_per_s, slowest) or _same(plan.tokens_per_s, linked)):
        faults.append(f"the slowest stage makes {slowest} tokens/s, the plan says {plan.tokens_per_s}")
    return tuple(faults)


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_RELATIVE_TOLERANCE, abs_tol=1e-12)


def _stage_faults(stage: Stage, problem: Problem, rules: Rules, rates: RateModel) -> list[str]:
    where = f"stage of layers {stage.first_layer}-{stage.last_layer}"
    index = next((i for i, gpu in enumerate(problem.pool) if gpu.name == stage.gpu_type), None)
    if index is None:
        return [f"{where}: the pool has no {stage.gpu_type}"]
    gpu, first = problem.pool[index], problem.first_gpus[index]
    faults = []
    if any(not first <= number < first + gpu.count for number in stage.gpus):
        faults.append(f"{where}: GPUs {stage.gpus} are not all {gpu.name}")
    if stage.tp not in tp_degrees(gpu, rules):
        return [*faults, f"{where}: TP {stage.tp} is not among {tp_degrees(gpu, rules)}"]
    if (stage.gpus[0] - first) % stage.tp or stage.gpus != tuple(
        range(stage.gpus[0], stage.gpus[0] + stage.tp)
    ):
        faults.append(f"{where}: {stage.gpus} is not an aligned block of {stage.tp} GPUs")
    faults += [
        f"{where}: {fault}"
        for fault in _size_faults(stage, problem.config, rates.layer_range(problem.config, gpu, stage.tp))
    ]
    by_layers = rates.tokens_per_s(problem.config, gpu, stage.tp)
    rate = float(by_layers[stage.layers]) if 0 < stage.layers < len(by_layers) else math.nan
    if not _same(stage.tokens_per_s, rate):
        faults.append(f"{where}: makes {rate} tokens/s, not {stage.tokens_per_s}")
    return faults


def _size_faults(stage: Stage, config: Config, allowed: tuple[int, int]) -> list[str]:
    fewest, most = allowed
    faults = []
    if stage.layers > most:
        faults.append(f"{stage.layers} layers do not fit its memory, at most {most}")
    if stage.layers < max(fewest, config.min_layers_per_stage):
        faults.append(f"{stage.layers} layers, at least {max(fewest, config.min_layers_per_stage)}")
    return faults


def _cover_faults(plan: Plan, problem: Problem) -> list[str]:
    held = [layer for stage in plan.stages for layer in range(stage.first_layer, stage.last_layer + 1)]
    return [
        f"layer {layer} is on {held.count(layer)} stages"
        for layer in sorted({*held, *range(1, problem.layers + 1)})
        if held.count(layer) != 1 or not 1 <= layer <= problem.layers
    ]


def _link_faults(plan: Plan, problem: Problem) -> list[str]:
    """Neighbours whose links carry fewer tokens than the plan promises."""
    placed = _placed(plan, problem)
    return [
        f"the link from GPU {here.gpus[0]} to GPU {there.gpus[0]} is slower than the plan"
        for (here, there), rate in zip(itertools.pairwise(placed), _link_rates(placed, problem), strict=True)
        if rate < plan.tokens_per_s
    ]


def _placed(plan: Plan, problem: Problem) -> tuple[Stage, ...]:
    """The stages whose GPUs the pool has."""
    return tuple(stage for stage in plan.stages if stage.gpus and max(stage.gpus) < problem.gpus)


def _link_rates(stages: Sequence[Stage], problem: Problem) -> list[float]:
    """Tokens/s from each stage to the next."""
    if len(stages) < 2:
        return []
    rates = stage_link_rate(problem, [stage.gpus for stage in stages])
    return [float(rate) for rate in np.diagonal(rates, offset=1)]
