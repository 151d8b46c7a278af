"""What the documented methods share: one solve of the segment MILP, their results, and the weighted method.

Results hold no times, so that equal input gives equal results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.placement.documented.linked import build_linked, needs_links
from harness.placement.documented.milp import Goal, Milp, build_model, solve
from harness.placement.exact.cheapest import cheapest_plan
from harness.placement.plan import Plan, Solution, Status
from harness.placement.problem import Problem, tokens_per_s_per_usd
from harness.placement.rates import DOCUMENTED_RATES, RateModel
from harness.placement.segments import CORRECTED, Rules, Segments, all_sizes, coarse_sizes, enumerate_segments
from harness.placement.solver.interruption import Stop
from harness.placement.stages import stage_table

_SAME_RATE = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Search:
    """What all solves of a method share.

    Without `sizes` the config's own segment sizes are taken, else the coarse ones, else, with
    quantization off, every size. `time_limit_s` and `gap` are the config's unless given. `linked`
    forces connection columns into the MILP or out of it; None: in where they can change the answer.
    """

    problem: Problem
    rules: Rules = CORRECTED
    rates: RateModel = DOCUMENTED_RATES
    sizes: tuple[int, ...] | None = None
    time_limit_s: float | None = None
    gap: float | None = None
    linked: bool | None = None
    stop: Stop | None = None

    @property
    def segment_sizes(self) -> tuple[int, ...]:
        """The sizes a segment may have."""
        config, layers = self.problem.config, self.problem.layers
        default = coarse_sizes if config.enable_segment_quantization else all_sizes
        return self.sizes or config.segment_sizes or default(layers)

    @property
    def segments(self) -> Segments:
        """All segments of these sizes."""
        return enumerate_segments(self.problem, self.segment_sizes, self.rules, self.rates)

    @property
    def has_links(self) -> bool:
        """Whether the model has connection columns."""
        return needs_links(self.segments, self.problem, self.rules) if self.linked is None else self.linked

    def milp(self, goal: Goal) -> Milp:
        """The model for this goal."""
        form = build_linked if self.has_links else build_model
        return form(self.segments, self.problem, self.rules, goal, self.rates)

    def run(self, goal: Goal) -> Solution:
        """The best plan for this goal."""
        config = self.problem.config
        limit = config.time_limit_seconds if self.time_limit_s is None else self.time_limit_s
        gap = config.optimality_gap if self.gap is None else self.gap
        return solve(self.milp(goal), time_limit_s=limit, gap=gap, stop=self.stop)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self.stop is not None and self.stop.asked


@dataclass(frozen=True, slots=True)
class Solve:
    """One run of the solver: what was asked and what came of it.

    `usd_per_hour` is the budget, infinite without one. `objective` and `bound` are the documented
    objective's: tokens/s at weight 0, minus the USD/h at weight 1, between them
    tokens/s / throughput_normalization - w / (1 - w) * USD/h / cost_normalization. `tokens_per_s` is
    what the model promises, under the documented rules' caps less than the plan can do.
    """

    usd_per_hour: float
    cost_weight: float
    status: Status
    plan: Plan | None = None
    tokens_per_s: float = math.nan
    objective: float = math.nan
    bound: float = math.nan
    gap: float = math.nan

    @property
    def unproven(self) -> bool:
        """Whether it ended without the optimum and without the proof that there is no plan."""
        return self.status not in ("optimal", "infeasible")

    @property
    def usd_per_token(self) -> float:
        """Cost of one token as the model counts it; infinite without a plan or without throughput."""
        if self.plan is None or not self.tokens_per_s > 0:
            return math.inf
        return self.plan.usd_per_hour / (3600.0 * self.tokens_per_s)


@dataclass(frozen=True, slots=True)
class MethodResult:
    """All solves of one method in order, the ballpark's first, and the best of them, if any has a plan.

    `proven`: every solve was done, each within its gap. That is a proof for what each solve asked,
    not for the lowest cost per token. `interrupted`: somebody asked for the end.
    """

    method: str
    best: Solve | None
    solves: tuple[Solve, ...]
    target_usd_per_token: float
    budgets: tuple[float, ...] = ()
    interrupted: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether no solve ended without its proof."""
        return not (self.interrupted or any(solve.unproven for solve in self.solves))

    @property
    def competitive(self) -> tuple[Solve, ...]:
        """The solves whose plan meets the target, `max_cost_per_token`."""
        return tuple(solve for solve in self.solves if solve.usd_per_token <= self.target_usd_per_token)


def weighted(search: Search, weight: float | None = None) -> MethodResult:
    """The plan with the most throughput less cost, within the config's budget.

    `weight` (the config's by default) is 0 for throughput alone and 1 for cost alone.
    """
    config = search.problem.config
    chosen = config.cost_throughput_weight if weight is None else weight
    solves = [solve_within(search, config.budget_usd_per_hour, chosen)]
    return method_result("weighted", search, solves)


def solve_within(search: Search, usd_per_hour: float, cost_weight: float) -> Solve:
    """The best plan for a weight within a budget.

    Under corrected rules the cheapest of the fastest plans (at weight 1: the fastest of the cheapest),
    under documented ones whichever the solver met first.
    """
    config = search.problem.config
    price = tokens_per_s_per_usd(cost_weight, config)
    found = search.run(Goal(usd_per_hour, price))
    plan = found.plan
    if plan is not None and not search.rules.big_m_per_type and not search.stopped:
        plan = _best_in_the_rest(search, plan, usd_per_hour, price)
    unit = config.throughput_normalization if 0 < cost_weight < 1 else 1.0
    return Solve(
        usd_per_hour,
        cost_weight,
        found.status,
        plan,
        _promised(search.rules, found, plan, price),
        found.objective / unit,
        found.bound / unit,
        found.gap,
    )


def _promised(rules: Rules, found: Solution, plan: Plan | None, price: float) -> float:
    """The model's t, read off its objective where it has one; the plan's own rate where nothing caps t."""
    if plan is None:
        return math.nan
    if not rules.big_m_per_type or math.isinf(price):
        return plan.tokens_per_s
    t = found.objective + price * plan.usd_per_hour
    return plan.tokens_per_s if math.isclose(t, plan.tokens_per_s, rel_tol=1e-9) else t


def _best_in_the_rest(search: Search, plan: Plan, usd_per_hour: float, price: float) -> Plan:
    """A plan as good as this one in what was asked, and better in what was not: cost, or throughput."""
    if 0 < price < math.inf:
        return plan
    if math.isinf(price):
        other = search.run(Goal(plan.usd_per_hour)).plan
        return other if other and other.tokens_per_s > plan.tokens_per_s else plan
    if search.has_links:
        goal = Goal(usd_per_hour, math.inf, plan.tokens_per_s * _SAME_RATE)
        other = search.run(goal).plan
    else:
        table = stage_table(search.problem, search.rules, search.rates, search.segment_sizes)
        other = cheapest_plan(search.problem, table, plan.tokens_per_s).plan
    cheaper = other is not None and other.usd_per_hour < plan.usd_per_hour * _SAME_RATE
    return other if other and cheaper and other.tokens_per_s >= plan.tokens_per_s * _SAME_RATE else plan


def method_result(
    method: str,
    search: Search,
    solves: Sequence[Solve],
    budgets: tuple[float, ...] = (),
    warnings: Sequence[str] = (),
) -> MethodResult:
    """The best of these solves, with what there is to warn of."""
    target = search.problem.config.max_cost_per_token
    best = min((solve for solve in solves if solve.plan), key=lambda solve: solve.usd_per_token, default=None)
    found = list(warnings)
    unproven = sum(solve.unproven for solve in solves)
    if unproven:
        found.append(f"{unproven} of {len(solves)} solves ended without a proof")
    if best is not None and best.usd_per_token > target:
        found.append(
            f"target too aggressive: a token costs {best.usd_per_token:.4g} USD in the best plan, "
            f"above max_cost_per_token, {target:.4g}"
        )
    return MethodResult(method, best, tuple(solves), target, budgets, search.stopped, tuple(found))
