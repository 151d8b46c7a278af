from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.asks import Passage
from harness.extraction.pipeline.choose import Choice, Look, Sizes
from harness.extraction.pipeline.pieces import Pieces
from harness.extraction.pipeline.settings import Floats, Hits

HITS = Hits()


def layout(tokens: list[int]) -> Pieces:
    spans = tuple(Passage(10 * number, 10 * number + 10) for number in range(len(tokens)))
    return Pieces(spans, tuple(tokens), (0,) * len(tokens), ("",) * len(tokens))


def choice(tokens: list[int], size: int, fields: int, of: int = 3) -> Choice:
    return Choice(layout(tokens), Sizes(size, fields, 0), HITS, [[number] for number in range(of)])


def free(look: Look) -> bool:
    return False


SLOTS = np.ones(3)


def one(values: Floats, tokens: Floats) -> Floats:
    return np.ones(np.broadcast_shapes(values.shape, tokens.shape))


TABLE = st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=3, max_size=3)


@given(TABLE, st.integers(1, 3), st.integers(1, 6))
@settings(max_examples=60)
def test_of_every_window_the_best_fields_are_taken(table: list[list[float]], most: int, size: int) -> None:
    """No window with any set of fields is worth more than the look that is chosen."""
    wanted = np.array(table)
    chosen = choice([1] * 6, size, most).best(wanted, SLOTS, refused=free, cost=one)
    best = max(
        float(HITS.chance(np.array(count), np.array(size))) * wanted[list(fields), start : start + size].sum()
        for start in range(0, 6, size)
        for count in range(1, most + 1)
        for fields in itertools.combinations(range(3), count)
    )
    if chosen is None:
        assert best == pytest.approx(0.0, abs=1e-9)
        return
    assert chosen.expected >= best - 1e-9
    chance = HITS.chance(np.array(len(chosen.fields)), np.array(chosen.tokens))
    real = chance * wanted[np.ix_(chosen.fields, chosen.pieces)].sum()
    assert chosen.expected == pytest.approx(real)
    assert len(chosen.fields) <= most
    assert chosen.tokens == len(chosen.pieces) <= size


def test_scattered_pieces_are_shown_together() -> None:
    wanted = np.zeros((3, 9))
    wanted[0, [0, 4, 8]] = 0.3
    chosen = choice([1] * 9, 3, 3).best(wanted, SLOTS, refused=free, cost=one)
    assert chosen is not None
    assert chosen.pieces == (0, 4, 8)
    assert chosen.fields == (0,)


def test_equal_looks_are_taken_in_the_order_of_the_text() -> None:
    wanted = np.full((3, 8), 0.1)
    taken: list[Look] = []
    some = choice([1] * 8, 2, 3)
    for _ in range(4):
        look = some.best(wanted, SLOTS, refused=lambda each: each in taken, cost=one)
        assert look is not None
        taken.append(look)
    assert [look.pieces for look in taken] == [(0, 1), (2, 3), (4, 5), (6, 7)]


def test_a_price_of_text_prefers_less_text() -> None:
    wanted = np.zeros((3, 8))
    wanted[1, 3] = 0.5
    cheap = choice([1] * 8, 8, 3).best(
        wanted, SLOTS, refused=free, cost=lambda values, tokens: tokens + 0.0 * values
    )
    assert cheap is not None
    assert cheap.pieces == (3,)


def test_nothing_wanted_is_nothing_chosen() -> None:
    assert choice([1] * 4, 2, 3).best(np.zeros((3, 4)), SLOTS, refused=free, cost=one) is None


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=9),
    st.integers(1, 8),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 6),
)
def test_a_scan_asks_every_field_in_every_piece_once(
    tokens: list[int], size: int, lengths: list[int], most: int
) -> None:
    borders = [0, *itertools.accumulate(lengths)]
    topics = [list(range(a, b)) for a, b in itertools.pairwise(borders)]
    looks = list(choice(tokens, size, most, of=borders[-1]).scan(topics))
    asked = [pair for look in looks for pair in itertools.product(look.fields, look.pieces)]
    assert sorted(asked) == list(itertools.product(range(borders[-1]), range(len(tokens))))
    assert all(len(look.fields) <= most for look in looks)
    windows = [look.pieces for look in looks]
    assert windows == sorted(windows), "a window's asks follow each other"
