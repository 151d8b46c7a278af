"""Tables hold raw text: what they show is aligned in the terminal and literal in Markdown."""

import math
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.render.tables import (
    Table,
    drop_text,
    markdown_lines,
    percent_text,
    score_text,
    terminal_lines,
)

cells = st.text(max_size=20)


@settings(deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), max_size=5))
def test_a_markdown_row_is_one_line_with_as_many_cells_whatever_the_text(rows):
    lines = markdown_lines(Table(("a", "b", "c"), tuple(rows)))
    assert len(lines) == len(rows) + 2
    for line in lines:
        assert len(line.splitlines()) == 1
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4
        assert "<" not in line


@settings(deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_terminal_lines_hold_no_control_characters(rows):
    lines = terminal_lines(Table(("name", "figure"), tuple(rows)))
    assert len(lines) == len(rows) + 1
    controls = [c for line in lines for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    assert controls == []


def test_numbers_are_set_to_the_right():
    assert terminal_lines(Table(("name", "n"), (("a", "7"), ("longer", "1,234")))) == [
        "name        n",
        "a           7",
        "longer  1,234",
    ]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells"):
        Table(("a", "b"), (("only one",),))


def test_figures():
    assert score_text(2 / 3, 0.5, 0.75) == "0.667 [0.500, 0.750]"
    assert score_text(2 / 3) == "0.667"
    assert score_text(math.nan) == "-"
    assert percent_text(-0.0001) == "0.0"
    assert percent_text(-math.inf) == "-inf"
    assert drop_text(0.04, -0.012, 0.093) == "4.0 % [-1.2, 9.3]"
    assert drop_text(math.nan, math.nan, math.nan) == "-"
