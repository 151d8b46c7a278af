"""Everything one stage can be, as arrays: the form in which the exact method sees a problem.

Where links never bind, neither the order of stages nor the identity of GPUs matters: a plan is a
multiset of (class, layers), a class being a (GPU type, tensor-parallel degree).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.placement.plan import Plan, Stage, plan_of
from harness.placement.problem import Floats, Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel
from harness.placement.segments import CORRECTED, Rules, all_sizes, stage_sizes, tp_degrees

Ints = NDArray[np.int64]

# (class, layers) of each stage, ascending
Choice = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class StageTable:
    """What a stage may be. G types, C classes, L layers; at most `most_stages` stages make a plan.

    `gpus` and `usd_per_hour` (of one GPU) are per type, shape (G,). `type` and `tp` are per class, shape
    (C,), ordered by type, then TP. `tokens_per_s` and `prefill_s` have shape (C, L + 1); a stage
    with 0 tokens/s does not exist.
    """

    layers: int
    most_stages: int
    gpus: Ints
    usd_per_hour: Floats
    type: Ints
    tp: Ints
    tokens_per_s: Floats
    prefill_s: Floats

    @property
    def thresholds(self) -> Floats:
        """Every rate that can be a plan's throughput, ascending, shape (T,)."""
        return np.unique(self.tokens_per_s[self.tokens_per_s > 0])

    def rate(self, choice: Choice) -> float:
        """Tokens/s of its slowest stage."""
        return min(float(self.tokens_per_s[kind, layers]) for kind, layers in choice)


def stage_table(
    problem: Problem,
    rules: Rules = CORRECTED,
    rates: RateModel = DOCUMENTED_RATES,
    sizes: Iterable[int] | None = None,
) -> StageTable:
    """All stages that the pool, the rules and these sizes (every one, if None) allow."""
    config = problem.config
    chosen = all_sizes(problem.layers) if sizes is None else tuple(sizes)
    classes = [(index, tp) for index, gpu in enumerate(problem.pool) for tp in tp_degrees(gpu, rules)]
    tokens_per_s = np.zeros((len(classes), problem.layers + 1))
    prefill_s = np.full_like(tokens_per_s, np.inf)
    for row, (index, tp) in enumerate(classes):
        gpu = problem.pool[index]
        allowed = list(stage_sizes(problem, gpu, tp, chosen, rules, rates))
        tokens_per_s[row, allowed] = rates.tokens_per_s(config, gpu, tp)[allowed]
        prefill_s[row, allowed] = rates.prefill_s(config, gpu, tp)[allowed]
    return StageTable(
        layers=problem.layers,
        # each stage has a layer
        most_stages=min(config.max_pipeline_stages, problem.layers),
        gpus=np.array([gpu.count for gpu in problem.pool], dtype=np.int64),
        usd_per_hour=np.array([gpu.usd_per_hour for gpu in problem.pool], dtype=np.float64),
        type=np.array([index for index, _ in classes], dtype=np.int64),
        tp=np.array([tp for _, tp in classes], dtype=np.int64),
        tokens_per_s=tokens_per_s,
        prefill_s=prefill_s,
    )


def lay_out(choice: Choice, table: StageTable, problem: Problem) -> Plan:
    """Give the stages layers and GPUs, type after type."""
    order = sorted(choice, key=lambda stage: (table.type[stage[0]], -table.tp[stage[0]], -stage[1]))
    return lay_out_in_order(order, table, problem)


def lay_out_in_order(order: Sequence[tuple[int, int]], table: StageTable, problem: Problem) -> Plan:
    """Give the stages layers in this order, and GPUs: a type's largest groups first keep blocks aligned."""
    gpus: dict[int, tuple[int, ...]] = {}
    used = list(problem.first_gpus)
    for position in sorted(range(len(order)), key=lambda i: -table.tp[order[i][0]]):
        kind = order[position][0]
        index, tp = int(table.type[kind]), int(table.tp[kind])
        gpus[position] = tuple(range(used[index], used[index] + tp))
        used[index] += tp
    stages, layer = [], 1
    for position, (kind, layers) in enumerate(order):
        name, rate = problem.pool[int(table.type[kind])].name, float(table.tokens_per_s[kind, layers])
        stages.append(Stage(name, gpus[position], layer, layer + layers - 1, rate))
        layer += layers
    return plan_of(stages, problem)
