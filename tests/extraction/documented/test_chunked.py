"""Chunks and windows: the logged counts, whole coverage, and section candidates that nest in the cap."""

from __future__ import annotations

import pytest
from extraction.documented.counting import SMALL, company_of, word_spans
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Passage
from harness.extraction.company import Company, Document
from harness.extraction.documented.chunked import chunked, section_candidates, windows
from harness.extraction.documented.settings import Settings


@pytest.mark.parametrize(
    ("tokens", "size", "overlap", "count"),
    [
        (136_472, 2000, 400, 86), (411_190, 2000, 400, 257), (75_754, 3000, 500, 31),
        (100_000, 2000, 400, 63), (94_801, 2000, 400, 60), (96_400, 2000, 400, 60),
        (2000, 2000, 400, 1), (2001, 2000, 400, 2),
    ],
)  # fmt: skip
def test_the_logged_numbers_of_chunks(tokens, size, overlap, count):
    around = len(Company("", (Document("a", ""),)).text)
    company = Company("", (Document("a", "x" * (tokens - around)),))
    by_character = chunked(
        company,
        Settings(chunk_tokens=size, overlap_tokens=overlap),
        lambda text: [(number, number + 1) for number in range(len(text))],
    )
    assert len(by_character.chunks) == count


@pytest.mark.parametrize(("chunks", "count"), [(60, 20), (63, 21), (86, 29), (257, 86), (1, 1)])
def test_the_documented_numbers_of_windows(chunks, count):
    found = windows(chunks, 3)
    assert len(found) == count
    assert [number for window in found for number in window] == list(range(chunks))


@given(
    st.integers(1, 30), st.integers(1, 6), st.sets(st.integers(0, 29)), st.integers(0, 12), st.integers(0, 12)
)
def test_candidates_are_in_document_order_and_nest_in_the_cap(chunks, size, retrieved, low, high):
    texts = [f"chunk {number}" for number in range(chunks)]
    shown = {number for number in retrieved if number < chunks}
    candidates = section_candidates(texts, shown, size)
    assert candidates == [window for window in windows(chunks, size) if not set(window) <= shown]
    low, high = sorted((low, high))
    assert candidates[:low] == candidates[:high][:low]
    assert shown | {number for window in candidates for number in window} == set(range(chunks))


def test_only_an_aligned_window_is_covered():
    texts = [f"chunk {number}" for number in range(9)]
    assert len(section_candidates(texts, (3, 4, 5), 3)) == 2
    assert len(section_candidates(texts, (2, 3, 4), 3)) == 3
    assert len(section_candidates(texts, (5, 3, 4), 3)) == 2


def test_chunks_are_told_apart_by_their_first_300_characters():
    opening = "x" * 300
    texts = [opening + "one", opening + "two", opening + "three", "four"]
    assert section_candidates(texts, (0,), 3) == [range(3, 4)]
    assert section_candidates([opening[:299] + "a", "b"], (1,), 1) == [range(1)]


@given(st.lists(st.integers(0, 11), max_size=8), st.integers(0, 200))
def test_a_cut_keeps_the_beginning_and_never_more_than_the_limit(numbers, limit):
    text = chunked(company_of(12), SMALL, word_spans)
    passages = [text.chunks[number] for number in numbers]
    kept = text.cut(passages, limit)
    total = sum(text.tokens(each) for each in passages)
    assert sum(text.tokens(each) for each in kept) == min(limit, total)
    assert all(a.start == b.start and a.end <= b.end for a, b in zip(kept, passages, strict=False))
    assert list(kept[:-1]) == passages[: len(kept) - 1] if kept else not limit or not passages


def test_tokens_of_a_passage():
    text = chunked(company_of(3), SMALL, word_spans)
    assert [text.tokens(chunk) for chunk in text.chunks] == [20, 20, 20]
    assert text.tokens(Passage(0, len(text.company.text))) == len(word_spans(text.company.text))
