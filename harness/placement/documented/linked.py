"""The segment MILP with connection columns: the documented solver's model in full.

Per connection (a segment and one that may follow it) two columns: e (both are used) and rho (the
link's rate). They are 98 % of the model; where no link can bind they can be left out
(`milp.build_model`) at no loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.errors import HarnessError
from harness.placement.documented.connections import Connections, enumerate_connections
from harness.placement.documented.milp import (
    Goal,
    Layout,
    Milp,
    Numbers,
    add_stage_rows,
    build_model,
    fastest_rate,
    finish,
    layout_of,
)
from harness.placement.problem import Floats, Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel, links_may_bind, stage_link_rate
from harness.placement.segments import CORRECTED, Rules, Segments
from harness.placement.solver.program import Rows

# A pair takes about 14 coefficients: more than these do not fit into the memory of a common machine.
_MOST_PAIRS = 4_000_000


@dataclass(frozen=True, slots=True)
class _Links:
    """The connections, the tokens/s each carries, and the columns of e and rho."""

    connections: Connections
    rate: Floats
    e: Numbers
    rho: Numbers


def needs_links(segments: Segments, problem: Problem, rules: Rules) -> bool:
    """Whether leaving the connection columns out would change the model's answer.

    Corrected rules need them where a link can bind. The documented rules also forbid neighbours by
    their GPUs' numbers and by rank of bandwidth, which only connections can say.
    """
    forbids = rules.type_blind_gpu_ids or rules.filter_slow_links
    return forbids or links_may_bind(problem, fastest_rate(segments))


def build(
    segments: Segments,
    problem: Problem,
    rules: Rules = CORRECTED,
    goal: Goal | None = None,
    rates: RateModel = DOCUMENTED_RATES,
) -> Milp:
    """The smallest of the two models that loses nothing: `build_model` unless the links are needed."""
    form = build_linked if needs_links(segments, problem, rules) else build_model
    return form(segments, problem, rules, goal or Goal(), rates)


def build_linked(
    segments: Segments, problem: Problem, rules: Rules, goal: Goal, rates: RateModel = DOCUMENTED_RATES
) -> Milp:
    """The MILP with its connections; of `rules` it takes which connections there are, order and big-M.

    Raises HarnessError where there are too many connections to build the model at all.
    """
    _refuse_too_many(segments)
    rows, at = Rows(), layout_of(segments)
    add_stage_rows(rows, at, segments, problem, rules, rates)
    links = _links_of(segments, problem, rules, at)
    _connection_rows(rows, links)
    _link_rate_rows(rows, links, at, _link_big_m(links, segments, rules))
    _neighbour_rows(rows, links, segments, problem)
    _boundary_rows(rows, segments, problem)
    return Milp(problem, segments, finish(rows, at, segments, goal, links.rate))


def _refuse_too_many(segments: Segments) -> None:
    following = np.bincount(segments["start"] + segments["size"])
    starts = np.bincount(segments["start"], minlength=len(following)).astype(np.float64)
    pairs = int(following @ starts[: len(following)])
    if pairs > _MOST_PAIRS:
        raise HarnessError(
            f"{pairs:,} pairs of segments could be connected",
            where="segment sizes",
            allowed=f"up to {_MOST_PAIRS:,} in the integer program with links",
            next_step="take fewer sizes, or the exact method",
        )


def _links_of(segments: Segments, problem: Problem, rules: Rules, at: Layout) -> _Links:
    connections = enumerate_connections(segments, problem, rules)
    first, tp = at.groups["first_gpu"].tolist(), at.groups["tp"].tolist()
    blocks = [range(gpu, gpu + degree) for gpu, degree in zip(first, tp, strict=True)]
    between = stage_link_rate(problem, blocks)
    rate = between[at.group_of[connections.source], at.group_of[connections.target]]
    # No plan is faster than its stages, so no link needs to be: smaller figures, same optimum.
    rate = np.minimum(rate, fastest_rate(segments))
    e = at.cost + 1 + np.arange(len(rate))
    return _Links(connections, rate, e, e + len(rate))


def _link_big_m(links: _Links, segments: Segments, rules: Rules) -> float:
    """How far an unused connection lets t rise: the fastest segment, or twice the fastest link."""
    if not rules.big_m_per_type:
        return fastest_rate(segments)
    return 2 * float(np.max(links.rate, initial=0))


def _connection_rows(rows: Rows, links: _Links) -> None:
    """e = x1 * x2, as e <= x1, e <= x2, e >= x1 + x2 - 1."""
    source, target, count = links.connections.source, links.connections.target, len(links.e)
    for end in (source, target):
        below = rows.block(count, -math.inf, 0)
        rows.add(below, links.e, 1)
        rows.add(below, end, -1)
    both = rows.block(count, -1, math.inf)
    rows.add(both, links.e, 1)
    rows.add(both, source, -1)
    rows.add(both, target, -1)


def _link_rate_rows(rows: Rows, links: _Links, at: Layout, big_m: float) -> None:
    """rho = rate * e; t <= rho + M' (1 - e)."""
    count = len(links.e)
    carried = rows.block(count, 0, 0)
    rows.add(carried, links.e, links.rate)
    rows.add(carried, links.rho, -1)
    slowest = rows.block(count, -math.inf, big_m)
    rows.add(slowest, at.t, 1)
    rows.add(slowest, links.rho, -1)
    rows.add(slowest, links.e, big_m)


def _neighbour_rows(rows: Rows, links: _Links, segments: Segments, problem: Problem) -> None:
    """One segment starts the pipeline; each used one has a connection in, unless first, and out, unless last.

    A segment that ends where none starts, or starts where none ends, has no row: the layers' own
    rows rule it out.
    """
    starts, following = segments["start"], segments["start"] + segments["size"]
    rows.add(rows.block(1, 1, 1), np.flatnonzero(starts == 1), 1)
    for side, end, other in (
        (links.connections.source, following, starts),
        (links.connections.target, starts, following),
    ):
        inner = np.flatnonzero((end > 1) & (end <= problem.layers) & np.isin(end, other))
        row_of = np.full(len(segments), -1)
        row_of[inner] = rows.block(len(inner), 0, math.inf)
        rows.add(row_of[side], links.e, 1)
        rows.add(row_of[inner], inner, -1)


def _boundary_rows(rows: Rows, segments: Segments, problem: Problem) -> None:
    """At each boundary of layers as many used segments end as start; none where neither could."""
    starts, following = segments["start"], segments["start"] + segments["size"]
    inner = np.intersect1d(starts, following)
    inner = inner[inner <= problem.layers]
    balance = np.full(problem.layers + 2, -1)
    balance[inner] = rows.block(len(inner), 0, 0)
    for ends, sign in ((following, 1), (starts, -1)):
        at_boundary = np.flatnonzero(np.isin(ends, inner))
        rows.add(balance[ends[at_boundary]], at_boundary, sign)
