"""The cheapest stages that can stand in an order, as an integer program.

A plan is a walk over groups of alike classes, its nodes: y counts the stages of each item, f the steps
along each allowed arc, s and e mark where the walk starts and ends,

    steps into a node + s = stages on it = steps out of it + e,    sum s = sum e = 1,

and a flow g that starts at s, leaves one unit at every stage and uses walked arcs only keeps the walk in
one piece. Such counts are exactly those of a walk (Euler).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.exact.cheapest import AdditiveLimit, Items, items_at, share_layers, stage_rows
from harness.placement.exact.links import LinkedTable, twins
from harness.placement.solver.highs import run_highs
from harness.placement.solver.program import Program, Rows
from harness.placement.stages import Choice, Ints

Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Graph:
    """The node of each item, the GPU type of each node if types matter, and the allowed arcs."""

    node: Ints
    type: Ints
    source: Numbers
    target: Numbers

    @property
    def nodes(self) -> int:
        return len(self.type)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Column numbers: items y, arcs f, starts s, ends e, flow along arcs g and from the start h."""

    y: Numbers
    f: Numbers
    s: Numbers
    e: Numbers
    g: Numbers
    h: Numbers


def cheapest_walk(
    table: LinkedTable, tokens_per_s: float, limits: Sequence[AdditiveLimit] = ()
) -> Choice | None:
    """The cheapest stages and links that all reach `tokens_per_s` in some order; None when there are none.

    HarnessError (exit 21) when the solver breaks down or its answer is no walk.
    """
    items = items_at(table, tokens_per_s, joined=not limits)
    if not len(items.kind):
        return None
    graph = _graph(table, items, tokens_per_s)
    found = run_highs(_program(table, items, graph, limits))
    if found.values is None:
        return None
    counts = np.rint(found.values[: len(items.kind)]).astype(np.int64)
    choice = share_layers(table, items, counts)
    if table.order(choice, tokens_per_s) is None:
        raise HarnessError("HiGHS counted stages that no order connects", exit_code=EXIT_INFRASTRUCTURE)
    return choice


def _graph(table: LinkedTable, items: Items, tokens_per_s: float) -> _Graph:
    allowed = table.links >= tokens_per_s
    kinds, of_item = np.unique(items.kind, return_inverse=True)
    node = twins(kinds, table, allowed, table.contiguous)
    _, first = np.unique(node, return_index=True)
    stand_in = kinds[first]
    source, target = np.nonzero(allowed[np.ix_(stand_in, stand_in)])
    return _Graph(node[of_item], table.type[stand_in], source, target)


def _program(table: LinkedTable, items: Items, graph: _Graph, limits: Sequence[AdditiveLimit]) -> Program:
    onward = np.flatnonzero(graph.source != graph.target)  # a step on the spot connects nothing
    at = _columns(len(items.kind), len(graph.source), graph.nodes, len(onward))
    rows = Rows()
    stage_rows(rows, at.y, table, items, limits)
    _walk_rows(rows, graph, at)
    _flow_rows(rows, table.most_stages, graph, onward, at)
    if table.contiguous:
        _contiguous_rows(rows, graph, at)
    columns = int(at.h[-1]) + 1
    cost = (table.usd_per_hour[table.type] * table.tp)[items.kind]
    objective, upper = np.zeros(columns), np.full(columns, float(table.most_stages))
    objective[at.y] = cost / (cost.max() or 1)  # the solver's tolerances are absolute
    upper[at.s], upper[at.e] = 1, 1
    return rows.program(
        maximise=False,
        objective=objective,
        lower=np.zeros(columns),
        upper=upper,
        integer=np.arange(columns) <= at.e[-1],
    )


def _columns(items: int, arcs: int, nodes: int, onward: int) -> _Columns:
    blocks = (items, arcs, nodes, nodes, onward, nodes)
    return _Columns(*np.split(np.arange(sum(blocks)), np.cumsum(blocks)[:-1]))


def _walk_rows(rows: Rows, graph: _Graph, at: _Columns) -> None:
    """Each stage is entered, or the first, and left, or the last."""
    for arc_end, mark in ((graph.target, at.s), (graph.source, at.e)):
        balance = rows.block(graph.nodes, 0, 0)
        rows.add(balance[arc_end], at.f, 1)
        rows.add(balance, mark, 1)
        rows.add(balance[graph.node], at.y, -1)
        rows.add(rows.block(1, 1, 1), mark, 1)


def _flow_rows(rows: Rows, most_stages: int, graph: _Graph, onward: Numbers, at: _Columns) -> None:
    """The flow leaves one unit at every stage and takes walked arcs only."""
    balance = rows.block(graph.nodes, 0, 0)
    rows.add(balance, at.h, 1)
    rows.add(balance[graph.target[onward]], at.g, 1)
    rows.add(balance[graph.source[onward]], at.g, -1)
    rows.add(balance[graph.node], at.y, -1)
    for flow, walked in ((at.g, at.f[onward]), (at.h, at.s)):
        only = rows.block(len(flow), 0, math.inf)
        rows.add(only, walked, most_stages)
        rows.add(only, flow, -1)


def _contiguous_rows(rows: Rows, graph: _Graph, at: _Columns) -> None:
    """Each GPU type is entered at most once, from another type or as the first."""
    _, run = np.unique(graph.type, return_inverse=True)
    once = rows.block(int(run.max()) + 1, 0, 1)
    enters = run[graph.source] != run[graph.target]
    rows.add(once[run[graph.target][enters]], at.f[enters], 1)
    rows.add(once[run], at.s, 1)
