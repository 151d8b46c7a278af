from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.exact.sweep import sweep
from harness.placement.fleets.pricing import Worth, profit, profitable, useful_floors
from harness.placement.problem import Problem
from harness.placement.stages import Choice, StageTable, stage_table

EveryChoice = Callable[[StageTable], Iterator[Choice]]

WORTHS = st.builds(
    lambda prices, token, most: (np.array(prices) / 10, token / 100, most),
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    st.integers(0, 9),
    st.sampled_from([5.0, 20.0, 40.0, math.inf]),
)


def worth_for(table: StageTable, drawn: tuple[np.ndarray, float, float]) -> Worth:
    return Worth(drawn[0][: len(table.gpus)], drawn[1], drawn[2])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), drawn=WORTHS)
def test_the_most_profit_equals_brute_force(
    small_tables: st.SearchStrategy[StageTable],
    every_choice: EveryChoice,
    data: st.DataObject,
    drawn: tuple[np.ndarray, float, float],
) -> None:
    table = data.draw(small_tables)
    worth = worth_for(table, drawn)
    best, found = profitable(table, worth, sweep)
    profits = [profit(table, worth, choice) for choice in every_choice(table)]
    assert best == pytest.approx(max(profits, default=-math.inf))
    assert best == max((profit(table, worth, choice) for choice in found), default=-math.inf)
    enough, some = profitable(table, worth, sweep, -1e9)
    assert enough <= best
    assert len(some) <= len(found)


def test_floors_above_what_is_asked_are_all_the_same(medium: Problem) -> None:
    table = stage_table(medium)
    floors = useful_floors(table, 10_000)
    assert (floors[:-1] < 10_000).all()
    assert floors[-1] == table.thresholds[table.thresholds >= 10_000][0]
    assert len(useful_floors(table, math.inf)) == len(table.thresholds)


def test_nothing_makes_a_profit(medium: Problem) -> None:
    table = stage_table(medium)
    empty = replace(table, tokens_per_s=np.zeros_like(table.tokens_per_s))
    assert profitable(empty, Worth(table.usd_per_hour, 1.0, 1.0), sweep) == (-math.inf, [])
    best, _ = profitable(table, Worth(table.usd_per_hour, 1e-9, 1e6), sweep)
    assert -2.0 < best < -1.9
