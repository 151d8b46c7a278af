"""The cheapest plan at a throughput floor as a small integer program: the exact method's independent oracle.

Throughput takes values only among the stage rates, so the cheapest plan at each of those floors
gives every plan worth having. Any further limit that adds up over stages is one more row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.placement.plan import Solution
from harness.placement.problem import Floats, Problem
from harness.placement.solver.highs import run_highs
from harness.placement.solver.program import Program, Rows
from harness.placement.stages import Choice, Ints, StageTable, lay_out


@dataclass(frozen=True, slots=True)
class AdditiveLimit:
    """The stages' shares, shape (C, L + 1), may add up to no more than `most`."""

    share: Floats
    most: float


@dataclass(frozen=True, slots=True)
class Items:
    """What a column stands for: stages of one class that hold `fewest` to `most` layers, shape (I,)."""

    kind: Ints
    fewest: Ints
    most: Ints


def items_at(table: StageTable, tokens_per_s: float, *, joined: bool) -> Items:
    """The sizes of each class that reach the floor, neighbouring sizes as one item if `joined`."""
    fits = (table.tokens_per_s >= tokens_per_s) & (table.tokens_per_s > 0)
    kinds, sizes = np.nonzero(fits)
    if not joined or not len(kinds):
        return Items(kinds, sizes, sizes)
    opens = np.append(True, (np.diff(kinds) != 0) | (np.diff(sizes) != 1))[: len(kinds)]
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(kinds)) - 1
    return Items(kinds[first], sizes[first], sizes[last])


def share_layers(table: StageTable, items: Items, counts: Ints) -> Choice:
    """Each stage its item's fewest layers, then one more at a time where the rate stays highest."""
    stages = [
        [int(items.kind[item]), int(items.fewest[item]), int(items.most[item])]
        for item in np.repeat(np.arange(len(counts)), counts).tolist()
    ]
    for _ in range(table.layers - sum(layers for _, layers, _ in stages)):
        growing = [stage for stage in stages if stage[1] < stage[2]]
        best = max(growing, key=lambda stage: float(table.tokens_per_s[stage[0], stage[1] + 1]))
        best[1] += 1
    return tuple(sorted((kind, layers) for kind, layers, _ in stages))


def stage_rows(
    rows: Rows, columns: Ints, table: StageTable, items: Items, limits: Sequence[AdditiveLimit]
) -> None:
    """All layers are held, by not too many stages, on the GPUs there are, within the limits."""
    rows.add(rows.block(1, 0, table.layers), columns, items.fewest)
    rows.add(rows.block(1, table.layers, np.inf), columns, items.most)
    rows.add(rows.block(1, 0, table.most_stages), columns, 1)
    gpus = rows.block(len(table.gpus), 0, table.gpus)
    rows.add(gpus[table.type[items.kind]], columns, table.tp[items.kind])
    for limit in limits:
        rows.add(rows.block(1, -np.inf, limit.most), columns, limit.share[items.kind, items.fewest])


def cheapest_choice(
    table: StageTable,
    tokens_per_s: float,
    limits: Sequence[AdditiveLimit] = (),
    cost: Floats | None = None,
) -> Choice | None:
    """The cheapest stages that all reach `tokens_per_s`; None when there are none.

    min sum cost*y with sum fewest*y <= all layers <= sum most*y, sum y <= the most stages, sum tp*y <=
    the type's GPUs; sizes in a row are one column, since any total between its ends can be shared out.
    `cost` of a stage, shape (C, L + 1), is in USD/h if not given.
    """
    items = items_at(table, tokens_per_s, joined=not limits and cost is None)
    if not len(items.kind):
        return None
    usd = (table.usd_per_hour[table.type] * table.tp)[items.kind]
    each = usd if cost is None else cost[items.kind, items.fewest]
    found = run_highs(_program(table, items, limits, each))
    if found.values is None:
        return None
    return share_layers(table, items, np.rint(found.values).astype(np.int64))


def cheapest_plan(problem: Problem, table: StageTable, tokens_per_s: float) -> Solution:
    """The same as a plan; objective and bound in USD/h."""
    choice = cheapest_choice(table, tokens_per_s)
    if choice is None:
        return Solution("infeasible", None)
    plan = lay_out(choice, table, problem)
    return Solution("optimal", plan, plan.usd_per_hour, plan.usd_per_hour, 0.0)


def _program(table: StageTable, items: Items, limits: Sequence[AdditiveLimit], cost: Floats) -> Program:
    columns = np.arange(len(items.kind))
    rows = Rows()
    stage_rows(rows, columns, table, items, limits)
    return rows.program(
        maximise=False,
        objective=cost / (cost.max() or 1),  # the solver's tolerances are absolute
        lower=np.zeros(len(columns)),
        upper=np.full(len(columns), float(table.most_stages)),
        integer=np.ones(len(columns), dtype=np.bool_),
    )
