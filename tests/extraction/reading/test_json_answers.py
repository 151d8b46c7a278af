"""JSON out of what models write."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.reading.formats.json_answers import (
    MOST_VALUE_CHARACTERS,
    complete_records,
    read_json,
    text_of,
)

GOOD = '{"found":[{"f":3,"v":"a } b"}]}'
WANTED = {"found": [{"f": 3, "v": "a } b"}]}


def has_found(value):
    return isinstance(value, dict) and "found" in value


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  \n{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n```\n{GOOD}\n```\nAnything else?",
        f"The answer is {GOOD} as asked for.",
        f"{{not json}} but {GOOD}",
        f'{{"note":1}} {GOOD} {{"note":2}}',
        f'<think>maybe {{"found":[]}}?</think>{GOOD}',
        f"[1, 2] {GOOD}",
        f"{GOOD}{GOOD}",
    ],
)
def test_the_object_is_found_wherever_it_stands(text):
    assert read_json(text, has_found) == WANTED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "{",
        '{"other":1}',
        "[" * 100_000,
        '{"found":' * 20_000,
        "<think>" + GOOD,
        GOOD[:-3],
        "9" * 10_000,
    ],
)
def test_without_one_there_is_none(text):
    assert read_json(text, has_found) is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_a_crash(text):
    read_json(text, has_found)
    complete_records(text, "found")


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=5), max_size=3), max_size=5
    ),
    st.data(),
)
def test_of_a_text_that_is_cut_the_whole_records_are_kept(records, data):
    text = json.dumps({"found": records})
    cut = data.draw(st.integers(0, len(text)))
    kept = complete_records(text[:cut], "found")
    opening = len('{"found": [')
    whole = sum(len(json.dumps({"found": records[: n + 1]})) - 2 <= cut for n in range(len(records)))
    if cut < opening:
        assert kept is None
    elif kept is None:
        assert whole == 0
    else:
        assert kept == records[:whole]


def test_a_list_that_is_closed_is_empty_and_not_cut():
    assert complete_records('{"found":[],"abs', "found") == []
    assert complete_records('{"found":[', "found") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb\u2028c", "a b c"), (True, "yes"), (3, "3"), (2.5, "2.5"), (float("nan"), None), (None, None),
        ({}, None), ([], None), (["a", 1], "a, 1"), ("x" * 9999, "x" * MOST_VALUE_CHARACTERS),
        ("\ud800a", "a"),
    ],
)  # fmt: skip
def test_values_are_one_line_of_text(value, text):
    assert text_of(value) == text


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3)
    )
)
def test_a_value_can_always_be_written(value):
    text = text_of(value)
    if text is not None:
        text.encode("utf-8")
        assert "\n" not in text
        assert len(text) <= MOST_VALUE_CHARACTERS
