"""The cheapest plan at a throughput floor, and from it the cheapest token, as small integer programs.

Where links never bind, neither the order of stages nor the identity of GPUs matters: a plan is how
many stages of each (type, TP, size) it has. Throughput takes values only among the stage rates, so
the cheapest plan at each of those floors gives the exact minimum of USD per token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.placement.highs import run_highs
from harness.placement.plan import Plan, Solution, Stage, plan_of
from harness.placement.problem import Problem
from harness.placement.program import Program, Rows
from harness.placement.rates import require_fast_links, stage_rate
from harness.placement.segments import Rules, stage_sizes, tp_degrees


@dataclass(frozen=True, slots=True)
class StageKind:
    """A stage without its place: `layers` layers on `tp` GPUs of the pool's type `type`."""

    type: int
    tp: int
    layers: int
    tokens_per_s: float
    usd_per_hour: float


def stage_kinds(problem: Problem, sizes: Iterable[int], rules: Rules) -> tuple[StageKind, ...]:
    """Every kind of stage that the pool and these sizes allow."""
    chosen = tuple(sizes)
    return tuple(
        StageKind(index, tp, size, stage_rate(problem.config, gpu.name, tp, size), tp * gpu.usd_per_hour)
        for index, gpu in enumerate(problem.pool)
        for tp in tp_degrees(gpu, rules)
        for size in stage_sizes(problem, gpu, tp, chosen, rules)
    )


def cheapest_plan(problem: Problem, kinds: Iterable[StageKind], tokens_per_s: float) -> Solution:
    """The cheapest plan whose stages all reach `tokens_per_s`; objective and bound in USD/h.

    min sum usd*y with sum layers*y = all layers, sum y <= the most stages, sum tp*y <= the type's GPUs.
    """
    fast = [kind for kind in kinds if kind.tokens_per_s >= tokens_per_s]
    if not fast:
        return Solution("infeasible", None)
    require_fast_links(problem, max(kind.tokens_per_s for kind in fast))
    found = run_highs(_program(problem, fast))
    if found.values is None:
        return Solution(found.status, None)
    counts = np.rint(found.values).astype(int)
    plan = _laid_out(problem, [kind for kind, count in zip(fast, counts, strict=True) for _ in range(count)])
    return Solution(found.status, plan, plan.usd_per_hour, found.bound, found.gap)


def cheapest_per_token(problem: Problem, sizes: Iterable[int], rules: Rules) -> Solution:
    """The plan with the lowest USD per token over all throughputs; objective and bound in USD per token.

    Floors rise; cost never falls as they do, so a floor below the last plan's own rate adds nothing,
    and the search ends once even the fastest stage at the last cost could not beat the best plan.
    """
    kinds = stage_kinds(problem, sizes, rules)
    best: Plan | None = None
    reached = 0.0
    for floor in sorted({kind.tokens_per_s for kind in kinds}):
        if floor <= reached:
            continue
        plan = cheapest_plan(problem, kinds, floor).plan
        if plan is None:
            break
        reached = plan.tokens_per_s
        if best is None or plan.usd_per_token < best.usd_per_token:
            best = plan
        fastest = max(kind.tokens_per_s for kind in kinds)
        if plan.usd_per_hour / (3600 * fastest) >= best.usd_per_token:
            break
    if best is None:
        return Solution("infeasible", None)
    return Solution("optimal", best, best.usd_per_token, best.usd_per_token, 0.0)


def _program(problem: Problem, kinds: list[StageKind]) -> Program:
    """One integer column per kind; rows for layers, stages and the GPUs of each type."""
    most = float(problem.config.max_pipeline_stages)
    columns = np.arange(len(kinds))
    rows = Rows()
    rows.add(rows.block(1, problem.layers, problem.layers), columns, [kind.layers for kind in kinds])
    rows.add(rows.block(1, 0, most), columns, 1)
    gpus = rows.block(len(problem.pool), 0, [gpu.count for gpu in problem.pool])
    rows.add(gpus[[kind.type for kind in kinds]], columns, [kind.tp for kind in kinds])
    return rows.program(
        maximise=False,
        objective=np.array([kind.usd_per_hour for kind in kinds]),
        lower=np.zeros(len(kinds)),
        upper=np.full(len(kinds), most),
        integer=np.ones(len(kinds), dtype=np.bool_),
    )


def _laid_out(problem: Problem, kinds: list[StageKind]) -> Plan:
    """Give the stages layers and GPUs; largest groups first, so that every block of GPUs is aligned."""
    stages, layer, used = [], 1, list(problem.first_gpus)
    for kind in sorted(kinds, key=lambda kind: (kind.type, -kind.tp, -kind.layers)):
        gpus = tuple(range(used[kind.type], used[kind.type] + kind.tp))
        used[kind.type] += kind.tp
        last = layer + kind.layers - 1
        stages.append(Stage(problem.pool[kind.type].name, gpus, layer, last, kind.tokens_per_s))
        layer = last + 1
    return plan_of(stages, problem)
