"""The parts of the sweep; its answers are held against brute force in test_proof.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.placement.exact.sweep import fewest_gpus, pool_of, relaxed_costs, sweep, whole_prices
from harness.placement.problem import Problem
from harness.placement.stages import stage_table


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.integers(0, 4))
def test_decimal_prices_become_whole_numbers_in_proportion(cents: list[int], digits: int) -> None:
    usd = np.array([c / 10**digits for c in cents])
    whole = whole_prices(usd, 64)
    assert (whole == np.rint(whole)).all()
    assert np.array_equal(whole * max(cents), np.array(cents) * whole.max())


def test_prices_without_short_decimals_keep_44_bits() -> None:
    usd = np.array([1 / 3, np.pi, 1e-3 / 7])
    whole = whole_prices(usd, 64)
    assert whole.max() == 2.0**44
    assert whole / whole.max() == pytest.approx(usd / usd.max(), rel=1e-9)


def test_the_fewest_gpus_of_a_type(medium: Problem) -> None:
    """12 layers on V100s: TP 4 is the first degree with the memory, and at 11,000 tokens/s too slow."""
    pool = pool_of(stage_table(medium))
    v100 = pool.types.tolist().index(3)
    fewest = fewest_gpus(pool, np.array([10_000.0, 11_000.0]))
    assert fewest[v100, 12].tolist() == [4, np.inf]
    assert fewest[v100, 7].tolist() == [2, np.inf]


def test_relaxed_costs_count_stages() -> None:
    items = np.array([[np.inf], [np.inf], [3.0], [4.0]])
    costs = relaxed_costs(np.vstack([items, np.full((3, 1), np.inf)]), 2)
    assert costs[:, 6, 0].tolist() == [np.inf, np.inf, 8.0]
    assert costs[2, 5, 0] == 7
    assert costs[1, 5, 0] == np.inf


def test_floors_in_any_order_and_twice(medium: Problem) -> None:
    table = stage_table(medium)
    high, low, again, never = sweep(table, [10_000.0, 1.0, 10_000.0, 1e9])
    assert high == again != low
    assert never is None
