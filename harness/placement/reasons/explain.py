"""Why this plan: its bottleneck, what binds it, what one GPU more or less is worth, when it would flip.

Everything is an exact re-solve of a changed problem, and so holds for plans of the exact front only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.placement.exact.certificate import check_point
from harness.placement.exact.front import FrontPoint
from harness.placement.plan import Plan
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel, require_fast_links
from harness.placement.reasons.price_range import (
    PriceRange,
    cheapest_at_aim,
    cheapest_token_aim,
    price_range,
)
from harness.placement.reasons.what_if import SAME, Change, WhatIf
from harness.placement.segments import CORRECTED, Rules
from harness.placement.stages import Choice, StageTable, lay_out, stage_table


@dataclass(frozen=True, slots=True)
class StageLoad:
    """`count` equal stages; `busy` is the part of their own rate that the plan uses, 1 at the bottleneck."""

    gpu_type: str
    tp: int
    layers: int
    count: int
    tokens_per_s: float
    busy: float


@dataclass(frozen=True, slots=True)
class Flip:
    """A price in USD/h of one GPU, and the plan that is better beyond it; None where no price is."""

    usd_per_hour: float
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class TypeValue:
    """One GPU type: how many of its GPUs the plan uses, and what they are worth.

    `one_fewer` is None for a type without GPUs. `useful` is the smallest of 1, 2, 4 and 8 more GPUs that
    changes anything. Between the prices `low` and `high` the plan stays what it is, the cheapest token
    or the cheapest at its throughput; the plans beyond have their cost at today's prices. `lost` has the
    cheapest token within `max_hourly_cost` without any GPU of the type, None where no plan is left.
    """

    gpu_type: str
    used: int
    count: int
    one_more: Change
    one_fewer: Change | None
    useful: tuple[int, Change] | None
    low: Flip
    high: Flip
    lost: Plan | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Stages slowest first, types in pool order. `is_cheapest_token` tells what the price ranges keep."""

    stages: tuple[StageLoad, ...]
    types: tuple[TypeValue, ...]
    stages_used: int
    most_stages: int
    one_more_stage: Change
    is_cheapest_token: bool

    @property
    def bottleneck(self) -> tuple[StageLoad, ...]:
        """The stages that set the throughput."""
        return tuple(stage for stage in self.stages if stage.busy == 1)

    @property
    def used_up(self) -> tuple[str, ...]:
        """Types of which no GPU is left over."""
        return tuple(value.gpu_type for value in self.types if value.used == value.count > 0)

    @property
    def binding(self) -> tuple[str, ...]:
        """Types of which a few more GPUs would pay, and `stages` where one more stage would."""
        types = tuple(value.gpu_type for value in self.types if value.useful is not None)
        return (*types, "stages") if self.one_more_stage.matters else types


def explain(
    problem: Problem,
    point: FrontPoint,
    rules: Rules = CORRECTED,
    rates: RateModel = DOCUMENTED_RATES,
    sizes: Iterable[int] | None = None,
) -> Explanation:
    """Explain a point of `exact_front(stage_table(problem, rules, rates, sizes))`.

    HarnessError for any other plan, where a link can bind, and under those of the documented rules that
    say more than which stages there are.
    """
    if rules.ordered_groups or rules.type_blind_gpu_ids or rules.filter_slow_links or rules.big_m_per_type:
        raise HarnessError("only plans of the exact method can be explained", where=f"rules {rules.name}")
    chosen = None if sizes is None else tuple(sizes)
    table = stage_table(problem, rules, rates, chosen)
    require_fast_links(problem, float(table.tokens_per_s.max(initial=0)))
    if faults := check_point(point, table):
        raise HarnessError(f"the plan to explain is none of this problem's: {faults[0]}")
    values = WhatIf(problem, rules, rates, chosen, table, point.tokens_per_s)
    if values.usd_per_hour < point.usd_per_hour * (1 - SAME):
        raise HarnessError(
            f"the plan to explain is not on the front: {values.usd_per_hour:g} USD/h buy as many tokens/s",
            allowed="points of the exact front",
        )
    same = point.usd_per_million_tokens <= values.usd_per_million_tokens * (1 + SAME)
    aim = cheapest_token_aim(table) if same else cheapest_at_aim(point.tokens_per_s)
    types = []
    for index in range(len(problem.pool)):
        found = price_range(table, index, point.choice, aim)
        types.append(_type_value(values, index, point.choice, found))
    return Explanation(
        stages=_loads(point.choice, table, problem),
        types=tuple(types),
        stages_used=len(point.choice),
        most_stages=table.most_stages,
        one_more_stage=values.change(replace(table, most_stages=table.most_stages + 1)),
        is_cheapest_token=same,
    )


def _loads(choice: Choice, table: StageTable, problem: Problem) -> tuple[StageLoad, ...]:
    slowest = table.rate(choice)
    loads = []
    for (kind, layers), count in sorted(Counter(choice).items()):
        rate = float(table.tokens_per_s[kind, layers])
        name, tp = problem.pool[int(table.type[kind])].name, int(table.tp[kind])
        loads.append(StageLoad(name, tp, layers, count, rate, slowest / rate))
    return tuple(sorted(loads, key=lambda load: -load.busy))


def _type_value(values: WhatIf, index: int, choice: Choice, found: PriceRange) -> TypeValue:
    gpu, more = values.problem.pool[index], values.more(index)

    def flip(price: float, other: Choice | None) -> Flip:
        return Flip(price, None if other is None else lay_out(other, values.table, values.problem))

    return TypeValue(
        gpu_type=gpu.name,
        used=values.used(index, choice),
        count=gpu.count,
        one_more=more[1],
        one_fewer=values.fewer(index),
        useful=next(((extra, change) for extra, change in more.items() if change.matters), None),
        low=flip(found.low, found.below),
        high=flip(found.high, found.above),
        lost=values.lost(index),
    )
