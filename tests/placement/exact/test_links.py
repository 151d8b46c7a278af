from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.exact.links import class_links, order_stages, twins, with_links
from harness.placement.problem import Config, GpuType, Problem
from harness.placement.rates import stage_link_rate
from harness.placement.stages import Choice, StageTable, stage_table

# two types, TP 1 and 2 each: classes 0, 1 and 2, 3
_TYPE, _TP = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2])


def _table(tokens_per_s: np.ndarray | None = None) -> StageTable:
    rates = np.tile([0.0, 9.0, 6.0, 3.0], (4, 1)) if tokens_per_s is None else tokens_per_s
    return StageTable(3, 4, np.array([8, 8]), np.array([1.0, 2.0]), _TYPE, _TP, rates, np.zeros_like(rates))


def _problem(gb_per_s: list[list[float]], counts: tuple[int, int] = (8, 8)) -> Problem:
    # 1 GB/s carries 2 tokens/s
    config = Config("random", 1, 1, 3, 2**28, 1.0, 2)
    pool = tuple(GpuType(name, count, 1.0, 1.0) for name, count in zip("AB", counts, strict=True))
    return Problem(config, pool, np.array(gb_per_s))


def test_a_link_is_as_slow_as_its_slowest_part() -> None:
    slowest, fastest = class_links(_problem([[8, 5], [3, 20]]), _table())
    expected = [
        [16, 8, 10, 10],  # inside A; (2 - 1) / 2 of it inside a group of two
        [8, 8, 8, 8],
        [6, 6, 40, 20],  # the way back from B to A is slower
        [6, 6, 20, 20],
    ]
    np.testing.assert_array_equal(slowest, expected)
    np.testing.assert_array_equal(fastest, expected)


def test_links_between_gpus_that_differ_are_taken_at_their_slowest_and_fastest() -> None:
    links = np.full((16, 16), 10.0)
    links[3, 12] = 1.0
    links[5, 9] = 30.0
    slowest, fastest = class_links(_problem(links.tolist()), _table())
    assert slowest[0, 2] == 2
    assert fastest[0, 2] == 60
    assert fastest[0, 3] == 10  # inside a group of two B: half of 10 GB/s
    np.testing.assert_array_equal(slowest[2:, :], fastest[2:, :])


def test_a_type_of_one_gpu_has_no_link_inside() -> None:
    slowest, _ = class_links(_problem([[0, 5], [5, 4]], counts=(1, 8)), _table())
    assert slowest[0, 0] == np.inf
    assert slowest[0, 2] == 10


def test_links_of_classes_are_those_of_their_groups(medium: Problem) -> None:
    problem = replace(medium, bandwidth_gb_per_s=np.random.default_rng(1).uniform(1, 9, (5, 5)))
    table = stage_table(problem)
    groups = [
        tuple(range(problem.first_gpus[g], problem.first_gpus[g] + tp))
        for g, tp in zip(table.type.tolist(), table.tp.tolist(), strict=True)
    ]
    links, _ = class_links(problem, table)
    other = ~np.eye(len(groups), dtype=np.bool_)
    np.testing.assert_array_equal(links[other], stage_link_rate(problem, groups)[other])


def test_an_order_follows_the_direction_of_the_links() -> None:
    allowed = np.zeros((4, 4), dtype=np.bool_)
    allowed[2, 0] = allowed[0, 3] = True
    assert order_stages(((0, 1), (2, 1), (3, 1)), _table(), allowed, False) == ((2, 1), (0, 1), (3, 1))
    assert order_stages(((0, 1), (3, 1)), _table(), allowed, False) == ((0, 1), (3, 1))
    assert order_stages(((2, 1), (3, 1)), _table(), allowed, False) is None
    assert order_stages(((0, 1), (2, 1), (3, 1)), _table(), allowed, True) is None


def test_one_stage_has_no_link() -> None:
    nowhere = np.zeros((4, 4), dtype=np.bool_)
    assert order_stages(((1, 3),), _table(), nowhere, True) == ((1, 3),)
    assert order_stages(((1, 1), (1, 2)), _table(), nowhere, True) is None
    table = with_links(_table(), np.zeros((4, 4)))
    assert table.rate(((1, 3),)) == 3
    assert table.rate(((1, 1), (1, 2))) == 0


def test_classes_with_the_same_neighbours_are_twins() -> None:
    kinds = np.arange(4)
    everyone = np.ones((4, 4), dtype=np.bool_)
    assert len(set(twins(kinds, _table(), everyone, contiguous=False).tolist())) == 1
    assert twins(kinds, _table(), everyone, contiguous=True).tolist() == [0, 0, 1, 1]
    everyone[1, 2] = False
    assert len(set(twins(kinds, _table(), everyone, contiguous=False).tolist())) == 3


_CHOICES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=5).map(
    lambda stages: tuple(sorted(stages))
)
_LINKS = st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 8.0]), min_size=16, max_size=16).map(
    lambda links: np.array(links).reshape(4, 4)
)


def _orders(choice: Choice, contiguous: bool) -> list[Choice]:
    """Every order of the stages in which, if contiguous, no type comes back after another."""
    orders = []
    for order in itertools.permutations(choice):
        runs = [g for g, _ in itertools.groupby(_TYPE[kind] for kind, _ in order)]
        if not contiguous or len(runs) == len(set(runs)):
            orders.append(order)
    return orders


@settings(deadline=None)
@given(choice=_CHOICES, links=_LINKS, contiguous=st.booleans())
def test_orders_equal_brute_force_over_permutations(
    choice: Choice, links: np.ndarray, contiguous: bool
) -> None:
    allowed = links >= 2
    possible = [
        order
        for order in _orders(choice, contiguous)
        if all(allowed[here, there] for (here, _), (there, _) in itertools.pairwise(order))
    ]
    found = order_stages(choice, _table(), allowed, contiguous)
    assert found in possible if possible else found is None


@settings(deadline=None)
@given(choice=_CHOICES, links=_LINKS, contiguous=st.booleans())
def test_a_plan_is_as_fast_as_its_best_order(choice: Choice, links: np.ndarray, contiguous: bool) -> None:
    table = with_links(_table(), links, contiguous)
    slowest = StageTable.rate(table, choice)
    expected = max(
        min([slowest, *(links[here, there] for (here, _), (there, _) in itertools.pairwise(order))])
        for order in _orders(choice, contiguous)
    )
    assert table.rate(choice) == expected
    assert expected == 0 or expected in table.thresholds


def test_thresholds_leave_out_links_that_no_stage_needs() -> None:
    rates = np.tile([0.0, 9.0, 6.0, 3.0], (4, 1))
    rates[3] = 0
    links = np.full((4, 4), 7.0)
    links[0, 1], links[1, 2], links[2, 3], links[1, 1] = 20, 0, 5, np.inf
    assert with_links(_table(rates), links).thresholds.tolist() == [3, 6, 7, 9]
    assert with_links(_table(0 * rates), links).thresholds.tolist() == []


@pytest.mark.parametrize("contiguous", [False, True])
def test_a_table_keeps_its_stages_when_it_gets_links(contiguous: bool) -> None:
    table = with_links(_table(), np.ones((4, 4)), contiguous)
    np.testing.assert_array_equal(table.tokens_per_s, _table().tokens_per_s)
    assert table.contiguous is contiguous
