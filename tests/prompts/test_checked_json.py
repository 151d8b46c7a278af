"""Checks of JSON that somebody else wrote; what a whole file says is in test_examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.prompts.checked_json import checked_object, one_line, read_json, refuse_twins, shortened


def test_an_object_is_given_back_without_its_comments():
    keys, optional = {"a": str, "n": int}, {"l": list}
    assert checked_object({"a": "x", "n": 0, "_c": {}}, keys, "here", optional=optional) == {"a": "x", "n": 0}
    with pytest.raises(HarnessError, match=r"here: `n` is missing \(allowed: an object with a, n, l\)"):
        checked_object({"a": "x"}, keys, "here", optional=optional)
    with pytest.raises(HarnessError, match=r"here: `n` is True \(allowed: a whole number\)"):
        checked_object({"a": "x", "n": True}, keys, "here")
    with pytest.raises(HarnessError, match="here: 'l' is no key of it"):
        checked_object({"a": "x", "n": 1, "l": []}, keys, "here")


@given(st.text())
def test_a_line_is_one_printable_line(value):
    if value.strip() and value.isprintable():
        assert one_line(value, "key", "here") == value.strip()
    else:
        with pytest.raises(HarnessError, match="here: `key` is"):
            one_line(value, "key", "here")


@given(st.lists(st.integers(0, 9)))
def test_the_first_value_that_was_there_is_named(values):
    again = next((place for place, value in enumerate(values) if value in values[:place]), None)
    if again is None:
        refuse_twins(values, "id", "file, example")
        return
    first = values.index(values[again]) + 1
    with pytest.raises(HarnessError) as caught:
        refuse_twins(values, "id", "file, example")
    assert caught.value.where == f"file, example {again + 1}"
    assert f"that of number {first} again" in caught.value.what


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.none()))
def test_what_a_message_shows_is_short_and_printable(value):
    assert shortened(value).isprintable()
    assert len(shortened(value)) <= 60


def test_a_long_key_given_twice_is_shown_short(tmp_path):
    path = tmp_path / "twice.json"
    path.write_text(f'{{"{"k" * 999}": 1, "{"k" * 999}": 2}}')
    with pytest.raises(HarnessError) as caught:
        read_json(path)
    assert len(caught.value.what) < 200
