from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.pipeline.demand import Demand, Unit, prior_mass
from harness.extraction.pipeline.settings import Prior

UNITS = (Unit("", "a"), Unit("A", "b"), Unit("B", "b"))
PARTS = st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True)
LOOKS = st.lists(st.tuples(PARTS, st.floats(0.05, 0.95)), max_size=6)


def demand(scores: list[float] | None = None) -> Demand:
    tokens = np.ones(6)
    mass = prior_mass(np.array(scores or [0, 1, 2, 0, 3, 1], dtype=float), tokens, Prior())
    return Demand(UNITS, ("a", "b"), {"a": mass, "b": mass[::-1].copy()})


@given(
    st.lists(st.floats(0, 1e6), min_size=2, max_size=12),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.5, 4.0),
)
def test_the_prior_is_spread_over_all_pieces(
    scores: list[float], present: float, anywhere: float, sharpness: float
) -> None:
    mass = prior_mass(np.array(scores), np.ones(len(scores)), Prior(present, anywhere, sharpness))
    assert mass.sum() == pytest.approx(present)
    assert (mass >= 0.0).all()
    order = np.argsort(scores, kind="stable")
    assert (np.diff(mass[order]) >= -1e-12).all()


@given(LOOKS, PARTS)
def test_a_further_look_never_makes_a_later_one_worth_more(
    looks: list[tuple[list[int], float]], pieces: list[int]
) -> None:
    one = demand()
    worth = [one.wanted()[:, pieces].sum()]
    for shown, chance in looks:
        one.look(UNITS, shown, chance)
        worth.append(one.wanted()[:, pieces].sum())
    assert (np.diff(worth) <= 1e-12).all()


@given(LOOKS)
def test_an_unanswered_look_leaves_what_bayes_leaves(looks: list[tuple[list[int], float]]) -> None:
    """Against the rule written out: P(there | not found) = P(there) Prod(1 - q) / P(not found)."""
    one = demand()
    prior = one.wanted()[0]
    for shown, chance in looks:
        one.look([UNITS[0]], shown, chance)
        one.settle()
    overlooked = np.ones(6)
    for shown, chance in looks:
        overlooked[shown] *= 1.0 - chance
    left = prior * overlooked
    expected = left / (1.0 - prior.sum() + left.sum())
    assert one.wanted()[0] == pytest.approx(expected)


@given(PARTS, st.floats(0.05, 0.95))
def test_a_look_that_could_not_be_read_is_undone(pieces: list[int], chance: float) -> None:
    one = demand()
    before = one.wanted()
    one.look(UNITS, pieces, chance)
    one.undo(UNITS, pieces, chance)
    assert one.wanted() == pytest.approx(before)


def test_what_was_found_pulls_as_far_as_it_may_be_wrong() -> None:
    one = demand()
    before = one.wanted()
    one.found(UNITS[1], 0.75, {})
    assert one.wanted()[0] == pytest.approx(before[0])
    assert one.wanted()[1] == pytest.approx(before[1] * 0.5 + before[1] * 0.5 * 0.25)
    one.found(UNITS[1], 1.0, {})
    assert one.pull([UNITS[1]], range(6)) == 0.0
    assert one.slots() == pytest.approx([1.0, 1.0])


def test_a_doubtful_value_is_worth_a_look_at_its_place() -> None:
    one = demand()
    one.found(UNITS[1], 1.0, {3: 0.2})
    assert one.pull([UNITS[1]], [3]) == pytest.approx(0.2)
    one.look([UNITS[1]], [3], 0.5)
    assert one.pull([UNITS[1]], [3]) == pytest.approx(0.1)
    one.found(UNITS[1], 1.0, {})
    assert one.pull([UNITS[1]], range(6)) == 0.0


def test_what_is_expected_of_an_amendment_is_its_share_of_the_prior_less_looks() -> None:
    one = demand()
    share = one.unseen(UNITS[0], [4, 5])
    assert sum(share.values()) == pytest.approx(1.0)
    one.look([UNITS[0]], [4, 5], 0.9)
    assert sum(one.unseen(UNITS[0], [4, 5]).values()) == pytest.approx(0.1)
    assert one.unseen(UNITS[0], []) == {}


def test_a_reference_makes_a_piece_worth_a_look() -> None:
    one = demand()
    one.look(UNITS, [4], 0.9)
    one.settle()
    one.expect(UNITS[0], {4: 0.6})
    assert one.pull([UNITS[0]], [4]) >= 0.6
    one.expect(UNITS[0], {4: 0.1})
    assert one.pull([UNITS[0]], [4]) >= 0.6
    assert one.likeliest(UNITS[0], [0, 1, 2], 1) == [2]
