"""Why a problem has no plan, and the nearest change of each single constraint that gives one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.limits import Limits
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel
from harness.placement.reasons.relaxation import (
    Diagnosis,
    Relaxation,
    feasible,
    nearest_relaxation,
    smallest_sets,
    together,
)
from harness.placement.segments import CORRECTED, TP_DEGREES, Rules, tp_degrees
from harness.placement.stages import StageTable, stage_table


def diagnose(
    problem: Problem,
    rules: Rules = CORRECTED,
    rates: RateModel = DOCUMENTED_RATES,
    sizes: Iterable[int] | None = None,
    limits: Limits | None = None,
) -> Diagnosis | None:
    """Why the problem has no plan within the limits; None when it has one."""
    within = limits or Limits()
    case = _Case(problem, rules, rates, None if sizes is None else tuple(sizes))
    if not case.feasible():
        return _problem_diagnosis(case)
    return None if feasible(case.table(), within) else nearest_relaxation(case.table(), within)


@dataclass(frozen=True, slots=True)
class _Case:
    """A problem with all that decides whether it has a plan. Links do not."""

    problem: Problem
    rules: Rules
    rates: RateModel
    sizes: tuple[int, ...] | None

    def table(self) -> StageTable:
        return stage_table(self.problem, self.rules, self.rates, self.sizes)

    def feasible(self) -> bool:
        return cheapest_choice(self.table(), 0.0) is not None

    def configured(self, name: str, value: float) -> _Case:
        changed: dict[str, Any] = {name: value}
        config = replace(self.problem.config, **changed)
        return replace(self, problem=replace(self.problem, config=config))

    def counted(self, index: int, count: int) -> _Case:
        pool = list(self.problem.pool)
        pool[index] = replace(pool[index], count=count)
        return replace(self, problem=replace(self.problem, pool=tuple(pool)))

    def plenty(self, index: int) -> int:
        """More GPUs of a type than any plan uses, a multiple of every TP degree."""
        most = max(self.problem.config.max_pipeline_stages * TP_DEGREES[-1], self.problem.pool[index].count)
        return -(-most // TP_DEGREES[-1]) * TP_DEGREES[-1]


def _problem_diagnosis(case: _Case) -> Diagnosis:
    """Config keys and GPU counts one by one; if none of them is enough, the smallest sets that are."""
    config = case.problem.config
    drops: dict[str, Callable[[_Case], _Case]] = {
        "max_pipeline_stages": lambda c: c.configured("max_pipeline_stages", config.num_decoder_layers),
        "min_layers_per_stage": lambda c: c.configured("min_layers_per_stage", 1),
        "min_memory_utilization": lambda c: c.configured("min_memory_utilization", 0.0),
        "batch_size": lambda c: c.configured("batch_size", 1),
        "segment_sizes": lambda c: replace(c, sizes=None),
        "count": _plenty_of_all,
    }

    def works(names: tuple[str, ...]) -> bool:
        relaxed = case
        # Stages first: they decide how many GPUs are plenty.
        for name in names:
            relaxed = drops[name](relaxed)
        return relaxed.feasible()

    singles = [name for name in drops if name != "count" and works((name,))]
    found = [_problem_relaxation(name, case) for name in singles]
    found += [more for index in range(len(case.problem.pool)) for more in _more_gpus(case, index)]
    if not found:
        found = [together(names) for names in smallest_sets(list(drops), works)]
    return Diagnosis(_cause(case), tuple(found))


def _plenty_of_all(case: _Case) -> _Case:
    for index in range(len(case.problem.pool)):
        case = case.counted(index, case.plenty(index))
    return case


def _cause(case: _Case) -> str:
    """The first of the reasons, from the roughest to the finest, that rules every plan out."""
    problem, config, table = case.problem, case.problem.config, case.table()
    fits = chain.from_iterable(
        (case.rates.layer_range(config, gpu, tp)[1] for tp in tp_degrees(gpu, case.rules))
        for gpu in problem.pool
    )
    if not any(fits):
        return f"memory: no GPUs of any type hold even one layer at batch size {config.batch_size}"
    if not len(table.thresholds):
        return (
            f"layer floor: min_layers_per_stage = {config.min_layers_per_stage} and min_memory_utilization"
            f" = {config.min_memory_utilization:g} rule out every stage that fits in memory"
        )
    largest = int(np.flatnonzero(table.tokens_per_s.any(axis=0))[-1])
    if largest * table.most_stages < problem.layers:
        return (
            f"stages: {table.most_stages} stages of at most {largest} layers hold"
            f" {largest * table.most_stages} of {problem.layers} layers"
        )
    if _plenty_of_all(case).feasible():
        return f"GPUs: too few in all, or of the types that {problem.layers} layers need"
    return f"layer sizes: the sizes that stages may have do not add up to {problem.layers} layers"


def _problem_relaxation(name: str, case: _Case) -> Relaxation:
    """The nearest value of one config key; found by bisection, always one that gives a plan."""
    config = case.problem.config
    if name == "segment_sizes":
        return Relaxation(name, None, None, "the segment sizes leave no plan, all sizes give one")
    now = getattr(config, name)
    if name == "max_pipeline_stages":
        table = case.configured(name, config.num_decoder_layers).table()
        plan = cheapest_choice(table, 0.0, (), np.ones_like(table.tokens_per_s))
        enough: float = len(plan or ())
    elif name == "min_memory_utilization":
        percent = _largest(math.ceil(now * 100) - 1, lambda n: case.configured(name, n / 100).feasible())
        enough = percent / 100
    else:
        enough = max(1, _largest(now - 1, lambda n: case.configured(name, max(n, 1)).feasible()))
    return Relaxation(name, now, enough, f"{name} = {now:g} leaves no plan, {enough:g} gives one")


def _largest(most: int, works: Callable[[int], bool]) -> int:
    """The largest number up to `most` that works where smaller ones do, 0 always; by bisection."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if works(middle) else (low, middle - 1)
    return low


def _more_gpus(case: _Case, index: int) -> list[Relaxation]:
    """The fewest GPUs of one type that give a plan; none where no number of them does."""
    gpu = case.problem.pool[index]
    table = case.counted(index, case.plenty(index)).table()
    own = np.where(table.type == index, table.tp, 0).astype(np.float64)
    plan = cheapest_choice(table, 0.0, (), np.repeat(own[:, None], table.layers + 1, axis=1))
    if plan is None:
        return []
    used = sum(int(table.tp[kind]) for kind, _ in plan if table.type[kind] == index)
    # A rule may ask that TP degrees divide the count, then the next multiple of the largest does.
    first = max(used, gpu.count + 1)
    enough = next(n for n in range(first, first + TP_DEGREES[-1] + 1) if case.counted(index, n).feasible())
    line = f"{gpu.count} {gpu.name} are too few, {enough} give a plan (the rest of the pool unchanged)"
    return [Relaxation(f"count of {gpu.name}", gpu.count, enough, line)]
