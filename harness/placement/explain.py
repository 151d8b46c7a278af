"""Why this plan: its bottleneck, what binds it, what one GPU more or less is worth, when it would flip.

Everything is an exact re-solve of a changed problem, and so holds for plans of the exact front only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.placement.certificate import check_point
from harness.placement.front import FrontPoint, usd_of
from harness.placement.plan import Plan
from harness.placement.price_range import (
    PriceRange,
    cheapest_at_aim,
    cheapest_token_aim,
    price_range,
    without_type,
)
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel, require_fast_links
from harness.placement.ratio import cheapest_token
from harness.placement.segments import CORRECTED, Rules
from harness.placement.stages import Choice, StageTable, lay_out, stage_table
from harness.placement.sweep import sweep

_SAME = 1e-9
# more GPUs of a type are tried in steps of a TP group
_MORE = (1, 2, 4, 8)


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
class Change:
    """By how much the pool's cheapest token and the least cost at the plan's throughput change.

    In USD per million tokens and USD/h, negative where it gets cheaper, infinite where no plan is left.
    """

    usd_per_million_tokens: float
    usd_per_hour: float

    @property
    def matters(self) -> bool:
        """Whether anything changes."""
        return bool(self.usd_per_million_tokens or self.usd_per_hour)


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
    cheapest token without any GPU of the type, None where no plan is left.
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
    values = _Values(problem, rules, rates, chosen, table, point.tokens_per_s)
    if values.usd_per_hour < point.usd_per_hour * (1 - _SAME):
        raise HarnessError(
            f"the plan to explain is not on the front: {values.usd_per_hour:g} USD/h buy as many tokens/s",
            allowed="points of the exact front",
        )
    same = point.usd_per_million_tokens <= values.usd_per_million_tokens * (1 + _SAME)
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


class _Values:
    """Re-solves of one problem, compared with its present figures."""

    def __init__(
        self,
        problem: Problem,
        rules: Rules,
        rates: RateModel,
        sizes: tuple[int, ...] | None,
        table: StageTable,
        tokens_per_s: float,
    ) -> None:
        self.problem, self.table = problem, table
        self._rules, self._rates, self._sizes, self._floor = rules, rates, sizes, tokens_per_s
        self.usd_per_million_tokens, self.usd_per_hour = self._figures(table)

    def change(self, table: StageTable) -> Change:
        token, hour = self._figures(table)
        return Change(_difference(token, self.usd_per_million_tokens), _difference(hour, self.usd_per_hour))

    def with_gpus(self, index: int, count: int) -> Change:
        """With another number of GPUs of a type, and so perhaps other TP degrees."""
        pool = list(self.problem.pool)
        pool[index] = replace(pool[index], count=count)
        problem = replace(self.problem, pool=tuple(pool))
        return self.change(stage_table(problem, self._rules, self._rates, self._sizes))

    def lost(self, index: int) -> Plan | None:
        found = cheapest_token(without_type(self.table, index))
        return None if found is None else lay_out(found.point.choice, self.table, self.problem)

    def _figures(self, table: StageTable) -> tuple[float, float]:
        best, there = cheapest_token(table), sweep(table, [self._floor])[0]
        return (
            math.inf if best is None else best.point.usd_per_million_tokens,
            math.inf if there is None else usd_of(there, table),
        )


def _type_value(values: _Values, index: int, choice: Choice, found: PriceRange) -> TypeValue:
    table, gpu = values.table, values.problem.pool[index]
    more = {extra: values.with_gpus(index, gpu.count + extra) for extra in _MORE}

    def flip(price: float, other: Choice | None) -> Flip:
        return Flip(price, None if other is None else lay_out(other, table, values.problem))

    return TypeValue(
        gpu_type=gpu.name,
        used=sum(int(table.tp[kind]) for kind, _ in choice if table.type[kind] == index),
        count=gpu.count,
        one_more=more[1],
        one_fewer=values.with_gpus(index, gpu.count - 1) if gpu.count else None,
        useful=next(((extra, change) for extra, change in more.items() if change.matters), None),
        low=flip(found.low, found.below),
        high=flip(found.high, found.above),
        lost=values.lost(index),
    )


def _difference(figure: float, now: float) -> float:
    """Zero where two sums of the same prices differ in their last bits only."""
    return 0.0 if math.isclose(figure, now, rel_tol=_SAME) else figure - now
