from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.asks import Passage
from harness.extraction.chunks import (
    four_characters,
    token_windows,
    tokenizer_spans,
    window_count,
)

FIELDS = Path(__file__).parents[2] / "fixtures" / "models" / "fields"


def characters(text):
    return [(at, at + 1) for at in range(len(text))]


@pytest.mark.parametrize(
    ("tokens", "size", "overlap", "windows"),
    [
        (136_472, 2000, 400, 86),
        (411_190, 2000, 400, 257),
        (75_754, 3000, 500, 31),
        (100_000, 2000, 400, 63),
        (94_801, 2000, 400, 60),
        (96_400, 2000, 400, 60),
        (96_401, 2000, 400, 61),
        (2_000, 2000, 400, 1),
        (2_001, 2000, 400, 2),
        (1, 2000, 400, 1),
        (0, 2000, 400, 0),
    ],
)
def test_the_published_numbers_of_windows(tokens, size, overlap, windows):
    assert window_count(tokens, size, overlap) == windows
    assert len(token_windows("x" * tokens, characters, size, overlap)) == windows


def test_four_characters_are_a_token_and_the_last_one_has_the_rest():
    assert four_characters("123456789") == [(0, 4), (4, 8), (8, 9)]
    assert four_characters("") == []


def test_windows_begin_a_stride_apart_and_overlap():
    assert token_windows("0123456789", characters, 4, 1) == (Passage(0, 4), Passage(3, 7), Passage(6, 10))


def test_what_lies_between_tokens_belongs_to_the_one_before():
    text = "  ab  cd  "
    found = token_windows(text, lambda _: [(2, 4), (6, 8)], 1, 0)
    assert [text[each.start : each.end] for each in found] == ["  ab  ", "cd  "]


def test_a_character_of_several_tokens_is_not_cut():
    text = "a☃b"
    spans = [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]
    found = token_windows(text, lambda _: spans, 2, 0)
    assert [text[each.start : each.end] for each in found] == ["a☃", "☃", "b"]


def test_a_checkpoints_own_tokens():
    spans = tokenizer_spans(FIELDS / "tokenizer.json")
    text = "Margin of 2.50 %, crédit ☃ 250,000\n"
    found = spans(text)
    assert text[found[0][0] : found[0][1]].strip() in "Margin"
    assert found[-1][1] == len(text)
    chunks = token_windows(text * 20, spans, 50, 10)
    assert {at for each in chunks for at in range(each.start, each.end)} == set(range(20 * len(text)))


def test_what_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(HarnessError, match="is no tokenizer"):
        tokenizer_spans(tmp_path / "tokenizer.json")


def test_a_text_is_tokenized_once():
    asked = []

    def spans(text):
        asked.append(text)
        return characters(text)

    token_windows("x" * 100, spans, 10, 5)
    assert asked == ["x" * 100]


@pytest.mark.parametrize(("size", "overlap"), [(10, 10), (10, 11), (0, 0), (10, -1)])
def test_an_overlap_that_never_ends_is_refused(size, overlap):
    with pytest.raises(HarnessError, match=f"{size} tokens"):
        token_windows("text", characters, size, overlap)


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 30), st.data())
def test_windows_cover_everything_and_none_is_longer_than_its_size(text, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    widths = data.draw(st.lists(st.integers(1, 5), max_size=60))
    spans, at = [], 0
    for width in widths:
        if at < len(text):
            spans.append((at, min(at + width, len(text))))
            at += width
    found = token_windows(text, lambda _: spans, size, overlap)
    assert len(found) == window_count(len(spans), size, overlap)
    covered = {at for each in found for at in range(each.start, each.end)}
    assert covered == (set(range(len(text))) if spans else set())
    for each in found:
        assert sum(each.start <= start < each.end for start, _ in spans) <= size
    assert [each.start for each in found] == [
        spans[number * (size - overlap)][0] if number else 0 for number in range(len(found))
    ]
