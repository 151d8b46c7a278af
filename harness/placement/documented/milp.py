"""The segment MILP without connection columns: build it, solve it.

Columns: x (a segment is used), z (a TP group is used), tau (its rate), t (the plan's tokens/s) and
cost (USD/h). A connection column only carries a link's rate; where the slowest link outruns the
fastest stage it can never bind, so leaving those columns out loses nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.placement.plan import Solution, Stage, plan_of
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel, require_fast_links
from harness.placement.segments import Rules, Segments, documented_big_m
from harness.placement.solver.highs import run_highs
from harness.placement.solver.interruption import Stop
from harness.placement.solver.program import Floats, Program, Rows

Numbers = NDArray[np.intp]
_NONE = np.empty(0)


@dataclass(frozen=True, slots=True)
class Goal:
    """Maximise tokens/s - `tokens_per_s_per_usd` * USD/h within `usd_per_hour`, at `tokens_per_s` or more.

    At weight 0 the cheapest among the fastest plans is not promised, only one of the fastest. At an
    infinite weight cost alone counts: the objective is minus the USD/h.
    """

    usd_per_hour: float = math.inf
    tokens_per_s_per_usd: float = 0.0
    tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Milp:
    """The program over these segments; its first columns are x, then z and tau per group, t, cost."""

    problem: Problem
    segments: Segments
    program: Program


@dataclass(frozen=True, slots=True)
class Layout:
    """Column numbers of each block, and the group (one of its segments stands for it) of each segment."""

    groups: Segments
    group_of: Numbers
    x: Numbers
    z: Numbers
    tau: Numbers
    t: int
    cost: int


def build_model(
    segments: Segments, problem: Problem, rules: Rules, goal: Goal, rates: RateModel = DOCUMENTED_RATES
) -> Milp:
    """The MILP over these segments; of `rules` it takes the order rows and the big-M.

    Raises HarnessError when a link is slow enough to matter, because this model has no links:
    `linked.build_linked` has them.
    """
    require_fast_links(problem, fastest_rate(segments))
    rows, at = Rows(), layout_of(segments)
    add_stage_rows(rows, at, segments, problem, rules, rates)
    return Milp(problem, segments, finish(rows, at, segments, goal))


def fastest_rate(segments: Segments) -> float:
    """Tokens/s of the fastest segment, 0 when there is none."""
    return float(np.max(segments["rate"], initial=0))


def layout_of(segments: Segments) -> Layout:
    """Where the columns of these segments and their groups are."""
    _, first, group_of = np.unique(segments[["type", "tp", "group"]], return_index=True, return_inverse=True)
    x = np.arange(len(segments))
    z = len(x) + np.arange(len(first))
    tau = z + len(z)
    t = len(x) + 2 * len(z)
    return Layout(segments[first], group_of.reshape(-1), x, z, tau, t, t + 1)


def add_stage_rows(
    rows: Rows, at: Layout, segments: Segments, problem: Problem, rules: Rules, rates: RateModel
) -> None:
    """Every row that concerns stages alone: layers, GPUs, rates, number of stages, cost, order."""
    _cover_rows(rows, segments, problem, at)
    _gpu_rows(rows, problem, at)
    _rate_rows(rows, segments, at, _big_m(segments, at.groups, problem, rules, rates))
    rows.add(rows.block(1, 0, problem.config.max_pipeline_stages), at.z, 1)
    usd = np.array([gpu.usd_per_hour for gpu in problem.pool])
    money = rows.block(1, 0, 0)
    rows.add(money, at.z, usd[at.groups["type"]] * at.groups["tp"])
    rows.add(money, at.cost, -1)
    if rules.ordered_groups:
        _order_rows(rows, at)


def finish(rows: Rows, at: Layout, segments: Segments, goal: Goal, link_rate: Floats = _NONE) -> Program:
    """The program for this goal; a link's two columns (used: 0 or 1, tokens/s) follow those of the layout."""
    columns, binaries, links = at.cost + 1, len(at.x) + len(at.z), len(link_rate)
    total = columns + 2 * links
    objective, lower = np.zeros(total), np.zeros(total)
    if math.isinf(goal.tokens_per_s_per_usd):
        objective[at.cost] = -1
    else:
        objective[at.t], objective[at.cost] = 1, -goal.tokens_per_s_per_usd
    lower[at.t] = goal.tokens_per_s
    upper = np.full(total, max(fastest_rate(segments), goal.tokens_per_s))
    upper[:binaries], upper[at.cost] = 1, goal.usd_per_hour
    upper[columns : columns + links], upper[columns + links :] = 1, link_rate
    integer = np.zeros(total, dtype=np.bool_)
    integer[:binaries] = integer[columns : columns + links] = True
    return rows.program(maximise=True, objective=objective, lower=lower, upper=upper, integer=integer)


def solve(
    milp: Milp,
    *,
    time_limit_s: float = math.inf,
    gap: float = 0.0,
    seed: int = 0,
    stop: Stop | None = None,
) -> Solution:
    """The best plan, proven to the relative `gap`, in the calling thread; same input, same plan.

    Having no plan is an answer, told by the solution's status. The objective is the program's own,
    so under the documented big-M it may be below the plan's true rate. Asked to `stop`, it returns
    the best plan so far as `feasible`; only then it works in another process.
    """
    found = run_highs(milp.program, time_limit_s=time_limit_s, gap=gap, seed=seed, stop=stop)
    plan = None
    if found.values is not None:
        used = milp.segments[found.values[: len(milp.segments)] > 0.5]
        plan = plan_of([_stage(segment, milp.problem) for segment in used], milp.problem)
    return Solution(found.status, plan, found.objective, found.bound, found.gap)


def _stage(segment: np.void, problem: Problem) -> Stage:
    first, start = int(segment["first_gpu"]), int(segment["start"])
    return Stage(
        gpu_type=problem.pool[int(segment["type"])].name,
        gpus=tuple(range(first, first + int(segment["tp"]))),
        first_layer=start,
        last_layer=start + int(segment["size"]) - 1,
        tokens_per_s=float(segment["rate"]),
    )


def _spread(first: Numbers, lengths: Numbers) -> Numbers:
    """first[k], first[k] + 1, ... lengths[k] of them, for every k, in one array."""
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(first, lengths) + within


def _cover_rows(rows: Rows, segments: Segments, problem: Problem, at: Layout) -> None:
    """Each layer is on exactly one segment."""
    layers = rows.block(problem.layers, 1, 1)
    sizes = segments["size"].astype(np.intp)
    rows.add(layers[_spread(segments["start"] - 1, sizes)], np.repeat(at.x, sizes), 1)


def _gpu_rows(rows: Rows, problem: Problem, at: Layout) -> None:
    """Each GPU is in at most one used group."""
    gpus = rows.block(sum(gpu.count for gpu in problem.pool), 0, 1)
    tp = at.groups["tp"].astype(np.intp)
    rows.add(gpus[_spread(at.groups["first_gpu"].astype(np.intp), tp)], np.repeat(at.z, tp), 1)


def _rate_rows(rows: Rows, segments: Segments, at: Layout, big_m: Floats) -> None:
    """z = sum x and tau = sum rate * x of its group; t <= tau + M (1 - z)."""
    chosen = rows.block(len(at.z), 0, 0)
    rows.add(chosen[at.group_of], at.x, 1)
    rows.add(chosen, at.z, -1)
    rate = rows.block(len(at.z), 0, 0)
    rows.add(rate[at.group_of], at.x, segments["rate"])
    rows.add(rate, at.tau, -1)
    slowest = rows.block(len(at.z), -math.inf, big_m)
    rows.add(slowest, at.t, 1)
    rows.add(slowest, at.tau, -1)
    rows.add(slowest, at.z, big_m)


def _order_rows(rows: Rows, at: Layout) -> None:
    """A group is used only if the one before it of the same (type, TP) is."""
    kind = at.groups[["type", "tp"]]
    earlier = np.flatnonzero(kind[1:] == kind[:-1])
    order = rows.block(len(earlier), 0, math.inf)
    rows.add(order, at.z[earlier], 1)
    rows.add(order, at.z[earlier + 1], -1)


def _big_m(segments: Segments, groups: Segments, problem: Problem, rules: Rules, rates: RateModel) -> Floats:
    """How far an unused group lets t rise: the fastest segment, or the documented value per type."""
    if not rules.big_m_per_type:
        return np.full(len(groups), float(np.max(segments["rate"], initial=0)))
    sizes = np.unique(segments["size"]).tolist()
    by_type = {
        index: documented_big_m(problem, index, sizes, rates) for index in np.unique(groups["type"]).tolist()
    }
    return np.array([by_type[index] for index in groups["type"].tolist()])
