from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.placement.problem import Problem
from harness.placement.reasons.price_range import (
    Aim,
    cheapest_at_aim,
    cheapest_token_aim,
    price_range,
    without_type,
)
from harness.placement.stages import Choice, StageTable, stage_table


@st.composite
def tables(draw: st.DrawFn) -> StageTable:
    """Two or three types with TP 1 and 2, up to 5 layers, arbitrary rates, some absent, some free GPUs."""
    types, layers = draw(st.integers(2, 3)), draw(st.integers(1, 5))
    rates = st.lists(st.sampled_from([0.0, 1.0, 2.5, 3.0, 4.0, 7.0]), min_size=layers, max_size=layers)
    return StageTable(
        layers=layers,
        most_stages=draw(st.integers(1, 3)),
        gpus=np.array([draw(st.integers(2, 4)) for _ in range(types)]),
        usd_per_hour=np.array([draw(st.integers(0, 12)) / 4 for _ in range(types)]),
        type=np.repeat(np.arange(types), 2),
        tp=np.tile([1, 2], types),
        tokens_per_s=np.array([[0.0, *draw(rates)] for _ in range(2 * types)]),
        prefill_s=np.ones((2 * types, layers + 1)),
    )


def every_choice(table: StageTable) -> Iterator[Choice]:
    kinds, layers = (axis.tolist() for axis in np.nonzero(table.tokens_per_s))
    stages = list(zip(kinds, layers, strict=True))
    for count in range(1, table.most_stages + 1):
        for choice in itertools.combinations_with_replacement(stages, count):
            used = np.bincount(
                [table.type[kind] for kind, _ in choice],
                [table.tp[kind] for kind, _ in choice],
                len(table.gpus),
            )
            if sum(n for _, n in choice) == table.layers and (used <= table.gpus).all():
                yield choice


def worth(table: StageTable, choice: Choice, of_type: int, price: float, floor: float | None) -> float:
    """USD per unit: per token/s, or per hour for plans that reach the floor."""
    usd = table.usd_per_hour.copy()
    usd[of_type] = price
    cost = math.fsum(usd[table.type[kind]] * table.tp[kind] for kind, _ in choice)
    if floor is None:
        return cost / table.rate(choice)
    return cost if table.rate(choice) >= floor else math.inf


@settings(max_examples=150, deadline=None)
@given(tables(), st.data())
def test_the_range_ends_where_brute_force_finds_another_plan(table: StageTable, data: st.DataObject) -> None:
    plans = list(every_choice(table))
    assume(plans)
    of_type = data.draw(st.integers(0, len(table.gpus) - 1))
    floor = data.draw(st.sampled_from([None, *sorted({table.rate(plan) for plan in plans})]))
    aim = cheapest_token_aim(table) if floor is None else cheapest_at_aim(floor)
    choice = aim.solve(table)
    assert choice is not None

    def least(price: float) -> float:
        return min(worth(table, plan, of_type, price, floor) for plan in plans)

    def own(price: float) -> float:
        return worth(table, choice, of_type, price, floor)

    found = price_range(table, of_type, choice, aim)
    now = float(table.usd_per_hour[of_type])
    assert found.low <= now <= found.high
    far = found.low + 50 if math.isinf(found.high) else found.high
    for price in np.linspace(found.low, far, 5).tolist():
        assert own(price) == pytest.approx(least(price), rel=1e-7)
    for end, outside, other in (
        (found.low, found.low * 0.999, found.below),
        (found.high, found.high * 1.001, found.above),
    ):
        if other is None:
            assert end in (0.0, math.inf)
            continue
        assert worth(table, other, of_type, end, floor) == pytest.approx(own(end), rel=1e-7)
        if end > 0:
            assert worth(table, other, of_type, outside, floor) < own(outside)
            assert least(outside) < own(outside)


def test_the_cheapest_token_of_the_medium_pool(medium: Problem) -> None:
    """V100 (type 3) up to where 8 A100 at 1 USD/h are as cheap: 8 / 21,457.67 = 12 p / 10,131.97."""
    table = stage_table(medium)
    aim = cheapest_token_aim(table)
    choice = aim.solve(table)
    assert choice is not None
    found = price_range(table, 3, choice, aim)
    assert (found.low, found.below) == (0.0, None)
    assert found.high == pytest.approx(8 / 21457.672119140625 * 10131.970866695867 / 12)
    assert found.above == ((0, 5),) * 8
    dearer = price_range(table, 0, choice, aim)
    assert (dearer.high, dearer.above) == (math.inf, None)
    assert dearer.low == pytest.approx(3.6 / 10131.970866695867 * 21457.672119140625 / 8)


def test_the_only_type_is_best_at_any_price(medium: Problem) -> None:
    """With other types gone the cheapest token scales with the price and stays the cheapest."""
    table = stage_table(medium)
    for g in (0, 1, 2, 4):
        table = without_type(table, g)
    aim = cheapest_token_aim(table)
    choice = aim.solve(table)
    assert choice is not None
    found = price_range(table, 3, choice, aim)
    assert (found.low, found.high, found.below, found.above) == (0.0, math.inf, None, None)


def test_where_every_plan_needs_the_type_the_one_with_the_fewest_of_its_gpus_takes_over() -> None:
    """Two singles, or one and the only GPU of the other type: 2 p = p + 3."""
    table = StageTable(
        layers=2,
        most_stages=2,
        gpus=np.array([4, 1]),
        usd_per_hour=np.array([1.0, 3.0]),
        type=np.array([0, 1]),
        tp=np.array([1, 1]),
        tokens_per_s=np.array([[0.0, 18.0, 0.0], [0.0, 18.0, 0.0]]),
        prefill_s=np.ones((2, 3)),
    )
    aim = cheapest_token_aim(table)
    choice = aim.solve(table)
    assert choice == ((0, 1), (0, 1))
    found = price_range(table, 0, choice, aim)
    assert found.high == pytest.approx(3.0)
    assert found.above == ((0, 1), (1, 1))


def test_a_type_taken_away_has_neither_gpus_nor_stages(medium: Problem) -> None:
    table = without_type(stage_table(medium), 3)
    assert table.gpus.tolist() == [8, 12, 12, 0, 20]
    assert not table.tokens_per_s[table.type == 3].any()
    assert replace(table, gpus=stage_table(medium).gpus).tokens_per_s[table.type != 3].any()


def test_an_aim_without_any_plan_has_no_ends() -> None:
    """Where nothing else exists, nothing takes over."""
    table = StageTable(
        layers=1,
        most_stages=1,
        gpus=np.array([1]),
        usd_per_hour=np.array([2.0]),
        type=np.array([0]),
        tp=np.array([1]),
        tokens_per_s=np.array([[0.0, 5.0]]),
        prefill_s=np.ones((1, 2)),
    )
    nothing = Aim(lambda _: None, lambda _: 1.0)
    found = price_range(table, 0, ((0, 1),), nothing)
    assert (found.low, found.high) == (0.0, math.inf)
