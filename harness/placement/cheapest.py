"""The cheapest plan at a throughput floor as a small integer program: the exact method's independent oracle.

Throughput takes values only among the stage rates, so the cheapest plan at each of those floors
gives every plan worth having. Any further limit that adds up over stages is one more row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.placement.highs import run_highs
from harness.placement.plan import Solution
from harness.placement.problem import Floats, Problem
from harness.placement.program import Program, Rows
from harness.placement.stages import Choice, StageTable, lay_out


@dataclass(frozen=True, slots=True)
class AdditiveLimit:
    """The stages' shares, shape (C, L + 1), may add up to no more than `most`."""

    share: Floats
    most: float


def cheapest_choice(
    table: StageTable,
    tokens_per_s: float,
    limits: Sequence[AdditiveLimit] = (),
    cost: Floats | None = None,
) -> Choice | None:
    """The cheapest stages that all reach `tokens_per_s`; None when there are none.

    min sum cost*y with sum layers*y = all layers, sum y <= the most stages, sum tp*y <= the type's GPUs.
    `cost` of a stage, shape (C, L + 1), is in USD/h if not given.
    """
    kinds, layers = np.nonzero((table.tokens_per_s >= tokens_per_s) & (table.tokens_per_s > 0))
    if not len(kinds):
        return None
    each = (table.usd_per_hour[table.type] * table.tp)[kinds] if cost is None else cost[kinds, layers]
    found = run_highs(_program(table, kinds, layers, limits, each))
    if found.values is None:
        return None
    counts = np.rint(found.values).astype(int)
    stages = zip(kinds.repeat(counts).tolist(), layers.repeat(counts).tolist(), strict=True)
    return tuple(sorted(stages))


def cheapest_plan(problem: Problem, table: StageTable, tokens_per_s: float) -> Solution:
    """The same as a plan; objective and bound in USD/h."""
    choice = cheapest_choice(table, tokens_per_s)
    if choice is None:
        return Solution("infeasible", None)
    plan = lay_out(choice, table, problem)
    return Solution("optimal", plan, plan.usd_per_hour, plan.usd_per_hour, 0.0)


def _program(
    table: StageTable,
    kinds: np.ndarray,
    layers: np.ndarray,
    limits: Sequence[AdditiveLimit],
    cost: Floats,
) -> Program:
    """One integer column per kind of stage; rows for layers, stages, the GPUs of each type and the limits."""
    columns = np.arange(len(kinds))
    types, tp = table.type[kinds], table.tp[kinds]
    rows = Rows()
    rows.add(rows.block(1, table.layers, table.layers), columns, layers)
    rows.add(rows.block(1, 0, table.most_stages), columns, 1)
    rows.add(rows.block(len(table.gpus), 0, table.gpus)[types], columns, tp)
    for limit in limits:
        rows.add(rows.block(1, -np.inf, limit.most), columns, limit.share[kinds, layers])
    return rows.program(
        maximise=False,
        objective=cost,
        lower=np.zeros(len(kinds)),
        upper=np.full(len(kinds), float(table.most_stages)),
        integer=np.ones(len(kinds), dtype=np.bool_),
    )
