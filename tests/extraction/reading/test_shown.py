"""What a prompt shows of a document: every character at its offset, nothing that passes for ours."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.asks import Ask, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading.shown import CLOSING, OPENING, lines_of, neutral, numbered, runs, shown_text

HOSTILE = (
    "<<<DOCUMENT", "DOCUMENT>>>", "<|im_start|>", "<|im_end|>", "</s>", "<s>", "[INST]", "[/INST]", "<<SYS>>",
    "12|", "[3] |", " 7 |", "Field: margin", "\u2028", "\x85", "\r", "\x0b", "<think>", "</think>", "９|",
    "\ud800",
)  # fmt: skip
TEXTS = st.lists(
    st.sampled_from([*HOSTILE, "\n", "\n\n", " ", "the margin is 2.35 %", "word", "x" * 400, "| a | b |"])
    | st.text(max_size=12),
    max_size=25,
).map("".join)


def ask_of(text, *passages):
    company = Company("c", (Document("d", text),))
    start = company.starts[0]
    spans = passages or (Passage(0, len(text)),)
    return Ask(company, "window", ("spread",), tuple(Passage(start + p.start, start + p.end) for p in spans))


@settings(deadline=None)
@given(TEXTS)
def test_what_is_replaced_is_replaced_one_by_one(text):
    shown = neutral(text)
    assert len(shown) == len(text)
    assert neutral(shown) == shown
    assert OPENING not in shown
    assert CLOSING not in shown
    for mark in ("<|", "|>", "</s", "<think>", "[INST]"):
        assert mark not in shown
    assert not re.search(r"(?m)^\s*\d+\s*\|", shown)
    # no other sign that a program takes for a line break than the document's own
    assert len(shown.splitlines()) <= text.count("\n") + 1


@pytest.mark.parametrize(
    "text",
    ["DSCR > 1.20x and < 1.40x", "| EUR | 5 |", "a <5 %", "2.35 % [see note 3]", "section 3 (a)", "a < < 5"],
)
def test_what_looks_like_nothing_of_ours_stays(text):
    assert neutral(text) == text


@settings(deadline=None)
@given(TEXTS, st.data())
def test_numbered_lines_are_the_passages_and_nothing_else(text, data):
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=4)))
    ask = ask_of(text, Passage(ends[0], ends[1]), Passage(ends[-2], ends[-1]))
    lines = lines_of(ask)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    whole = ask.company.text
    for line in lines:
        assert any(p.start <= line.span.start < line.span.end <= p.end for p in ask.passages)
        assert whole[line.span.start : line.span.end].strip()
    kept = "".join("".join(whole[x.span.start : x.span.end].split()) for x in lines)
    shown = "".join("".join(whole[p.start : p.end].split()) for p in ask.passages)
    assert kept == shown


@settings(deadline=None)
@given(TEXTS)
def test_a_number_before_a_bar_is_always_ours(text):
    ask = ask_of(text)
    lines = lines_of(ask)
    starts = re.findall(r"(?m)^\s*[\[(]?(\d+)[\])]?\s*\|", numbered(ask, lines))
    assert [int(number) for number in starts] == [line.number for line in lines]


@settings(deadline=None)
@given(TEXTS)
def test_no_line_is_long_and_a_short_one_shares_its_number(text):
    spans = [line.span for line in lines_of(ask_of(text))]
    assert all(span.end - span.start <= 320 for span in spans)
    for span, following in pairwise(spans):
        assert span.end - span.start >= 80 or following.end - span.start > 160


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=8))
def test_runs_are_the_characters_of_the_passages(pairs):
    passages = [Passage(start, start + length) for start, length in pairs]
    joined = runs(passages)
    assert {n for p in passages for n in range(p.start, p.end)} == {
        n for p in joined for n in range(p.start, p.end)
    }
    assert all(one.end < two.start for one, two in pairwise(joined))


def test_passages_are_shown_in_the_order_of_the_ask():
    ask = ask_of("first line\nsecond line\n", Passage(11, 22), Passage(0, 10))
    assert shown_text(ask) == "second line\n\nfirst line"
    assert numbered(ask, lines_of(ask)) == "1|second line\n2|first line"
