from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.exact.front import exact_front
from harness.placement.exact.limits import Limits, limited_front, prefill_s
from harness.placement.problem import Problem
from harness.placement.reasons.relaxation import beyond_front, feasible, nearest_relaxation
from harness.placement.stages import Choice, StageTable, stage_table

EveryChoice = Callable[[StageTable], Iterator[Choice]]

LIMITS = st.builds(
    Limits,
    prefill_s=st.one_of(st.just(math.inf), st.integers(1, 6).map(lambda tenths: tenths / 10)),
    stages=st.one_of(st.none(), st.integers(1, 2)),
    single_type=st.booleans(),
    uniform_tp=st.booleans(),
)


@settings(max_examples=250, deadline=None)
@given(data=st.data(), limits=LIMITS)
def test_each_relaxation_is_the_smallest_that_gives_a_plan(
    small_tables: st.SearchStrategy[StageTable],
    every_choice: EveryChoice,
    data: st.DataObject,
    limits: Limits,
) -> None:
    table = data.draw(small_tables)
    choices = list(every_choice(table))
    solvable = bool(limited_front(table, limits).points)
    assert feasible(table, limits) == solvable
    if solvable or not choices:
        return
    relaxations = {r.constraint: r for r in nearest_relaxation(table, limits).relaxations}
    assert relaxations

    def plans(relaxed: Limits) -> list[Choice]:
        return [
            choice
            for choice in choices
            if prefill_s(table, choice) <= relaxed.prefill_s * (1 + 1e-9)
            and len(choice) <= (relaxed.stages or len(choice))
            and not (relaxed.single_type and len({int(table.type[kind]) for kind, _ in choice}) > 1)
            and not (relaxed.uniform_tp and len({int(table.tp[kind]) for kind, _ in choice}) > 1)
        ]

    slow = plans(replace(limits, prefill_s=math.inf))
    if "prefill_s" in relaxations:
        assert relaxations["prefill_s"].enough == pytest.approx(min(prefill_s(table, c) for c in slow))
        assert relaxations["prefill_s"].now == limits.prefill_s
    long = plans(replace(limits, stages=None))
    if "stages" in relaxations:
        assert relaxations["stages"].enough == min(len(choice) for choice in long)
    alone = {
        "prefill_s": slow,
        "stages": long,
        "single_type": plans(replace(limits, single_type=False)),
        "uniform_tp": plans(replace(limits, uniform_tp=False)),
    }
    enough = {name for name, found in alone.items() if found}
    if enough:
        assert set(relaxations) == enough
    else:
        assert all(" and " in name for name in relaxations)


def test_two_limits_that_must_go_together(medium: Problem) -> None:
    table = stage_table(medium)
    diagnosis = nearest_relaxation(table, Limits(prefill_s=0.1, stages=3, uniform_tp=True))
    assert [r.constraint for r in diagnosis.relaxations] == ["prefill_s"]
    only_slow = np.where(np.arange(table.layers + 1) < 20, table.tokens_per_s, 0.0)
    diagnosis = nearest_relaxation(
        replace(table, tokens_per_s=only_slow), Limits(prefill_s=0.1, stages=2, uniform_tp=True)
    )
    assert [r.constraint for r in diagnosis.relaxations] == ["prefill_s and stages"]
    assert diagnosis.cause == "no plan keeps to the limits on prefill_s, stages"
    assert "none of them is enough alone" in diagnosis.relaxations[0].line


def test_the_shortest_prefill_of_the_medium_pool(medium: Problem) -> None:
    table = stage_table(medium)
    (relaxation,) = nearest_relaxation(table, Limits(prefill_s=0.4)).relaxations
    assert relaxation.constraint == "prefill_s"
    assert relaxation.enough is not None
    assert limited_front(table, Limits(prefill_s=relaxation.enough)).points
    assert not limited_front(table, Limits(prefill_s=relaxation.enough * (1 - 1e-6))).points
    printed = float(relaxation.line.split()[-2])
    assert relaxation.enough <= printed < relaxation.enough + 1e-3


def test_latencies_that_nobody_knows(medium: Problem) -> None:
    table = stage_table(medium)
    unknown = replace(table, prefill_s=np.full_like(table.prefill_s, np.inf))
    (relaxation,) = nearest_relaxation(unknown, Limits(prefill_s=1)).relaxations
    assert relaxation.enough is None
    assert relaxation.line == "no plan's prefill latency is known"


@pytest.mark.parametrize(
    ("tokens_per_s", "usd_per_hour", "nearest"),
    [
        (21_000, math.inf, {}),
        (0, 2.0, {}),
        (25_000, math.inf, {"tokens_per_s": 21457.67}),
        (25_000, 4, {"tokens_per_s": 10131.97}),
        (0, 1.5, {"usd_per_hour": 2.0}),
        (12_000, 1.5, {"usd_per_hour": 5.0}),
        (12_000, 4, {"tokens_per_s": 10131.97, "usd_per_hour": 5.0}),
        (25_000, 1, {"tokens_per_s and usd_per_hour": None}),
    ],
)
def test_beyond_the_front(
    medium: Problem, tokens_per_s: float, usd_per_hour: float, nearest: dict[str, float | None]
) -> None:
    front = exact_front(stage_table(medium))
    found = beyond_front(front, tokens_per_s, usd_per_hour)
    assert {r.constraint: r.enough for r in found} == pytest.approx(nearest, abs=0.005)


def test_lines_print_figures_that_work(medium: Problem) -> None:
    front = exact_front(stage_table(medium))
    fast, cheap = beyond_front(front, 12_000, 4)
    assert fast.line == "12000 tokens/s are out of reach, 10130 are possible for 4 USD/h"
    assert cheap.line == "4 USD/h are too little, the cheapest plan of 12000 tokens/s costs 5"
    (fast,) = beyond_front(front, 25_000)
    assert fast.line == "25000 tokens/s are out of reach, 21450 are possible"


def test_an_empty_front_has_nothing_beyond_it(medium: Problem) -> None:
    assert beyond_front(limited_front(stage_table(medium), Limits(prefill_s=0.01)), 1, 1) == ()
