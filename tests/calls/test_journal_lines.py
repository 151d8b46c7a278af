"""The lines of a journal: what is written is read, what is torn is dropped, what is corrupt is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calls.answer import Answer
from harness.calls.journal_lines import (
    CorruptLineError,
    Place,
    answer_line,
    header_line,
    note_line,
    read_lines,
)

FINGERPRINT = {"instruction": "abc", "seed": "0"}
WILD = st.text(st.characters(exclude_categories=[]), max_size=20)
PLACES = st.builds(
    Place, st.sampled_from(["task", "reflection"]), st.text("0f", max_size=3), st.integers(0, 3)
)
ANSWERS = st.builds(
    Answer, WILD, st.integers(0, 9), st.integers(0, 9), st.just("stop"), st.just("engine"), st.floats(0, 9)
)
ENTRIES = st.dictionaries(PLACES, ANSWERS, max_size=6)
HEADER = header_line(FINGERPRINT)


def written(entries):
    """A journal's bytes, a note after each answer."""
    lines = [answer_line(place, answer) + note_line("seen", {"n": 1}) for place, answer in entries.items()]
    return HEADER + b"".join(lines)


@given(ENTRIES)
def test_what_is_written_is_read(entries):
    content = written(entries)
    found = read_lines(content)
    assert found.fingerprint == {"format of the journal": "1", **FINGERPRINT}
    assert found.answers == entries
    assert len(found.notes) == len(entries)
    assert (found.end, found.lines) == (len(content), 1 + 2 * len(entries))


@given(ENTRIES, st.data())
def test_whatever_byte_it_was_torn_at_every_whole_line_is_kept(entries, data):
    content = written(entries)
    cut = data.draw(st.integers(len(HEADER), len(content)))
    found = read_lines(content[:cut])
    assert found.end == content[:cut].rindex(b"\n") + 1
    assert found.answers == read_lines(content[: found.end]).answers
    assert found.lines == content[:cut].count(b"\n")


@given(
    ENTRIES.filter(bool),
    st.sampled_from([b"\0" * 5 + b"\n", b'{"kind": "ans\n', b"\xff\n", b"[" * 9 + b"\n"]),
)
def test_a_last_line_that_is_no_json_is_torn_too(entries, tail):
    content = written(entries)
    assert read_lines(content + tail).end == len(content)


PLACE = Place("task", "f", 0)
LINE = answer_line(PLACE, Answer("a", 1, 1, "stop", "engine", 0.1))


def changed(**change):
    """An answer's line with other fields."""
    return json.dumps(json.loads(LINE) | change).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"\0\0\n", "no JSON"), (b"\n", "no JSON"), (b"[]\n", "no line of a journal"), (b"{}\n", "kind"),
        (HEADER, "header is the first"), (LINE, "answered before"), (changed(role="judge"), "a role is"),
        (changed(key=5), "a key and a number"), (changed(occurrence="1", key="e"), "a key and a number"),
        (changed(key="e", answer={"text": 1}), "an answer"),
    ],
)  # fmt: skip
def test_a_corrupt_line_in_the_middle_is_named(line, what):
    with pytest.raises(CorruptLineError, match=what) as error:
        read_lines(HEADER + LINE + line + note_line("n", {}))
    assert error.value.number == 3


def test_a_corrupt_answer_as_the_last_line_is_not_torn():
    with pytest.raises(CorruptLineError):
        read_lines(HEADER + LINE + changed(key="e", answer={"text": 1}))


@pytest.mark.parametrize(
    "first", [b"hello\n", b"{}\n", LINE, b'{"kind": "header", "format": 1, "fingerprint": {"a": 5}}\n']
)
def test_a_first_line_that_is_no_header(first):
    with pytest.raises(CorruptLineError) as error:
        read_lines(first + LINE)
    assert error.value.number == 1


def test_nothing_is_an_empty_journal():
    found = read_lines(b"")
    assert (found.fingerprint, found.answers, found.end) == (None, {}, 0)
