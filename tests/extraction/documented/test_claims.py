"""The guide's figures: which of them its own numbers give."""

from __future__ import annotations

import pytest

from harness.extraction.documented.claims import figures

FIGURES = {figure.name: figure for figure in figures()}


@pytest.mark.parametrize(
    ("name", "value", "value_13", "holds"),
    [
        ("calls before the caps", 587, 629, True),
        ("calls after the caps", 125, 131, False),
        ("section calls before the cap", 480, 520, True),
        ("section calls after the cap", 48, 52, False),
        ("section cap", 7.0, 7.0, False),
        ("no section passes", 125 / 77, 131 / 79, False),
        ("before to after", 587 / 125, 629 / 131, True),
        ("hours before the caps", 587 / 120, 629 / 120, True),
        ("hours after the caps", 125 / 120, 131 / 120, True),
        ("hours of the 1-hour preset", 89 / 120, 93 / 120, True),
    ],
)
def test_recomputed(name, value, value_13, holds):
    figure = FIGURES[name]
    assert (figure.value, figure.value_13) == (pytest.approx(value), pytest.approx(value_13))
    assert figure.holds == holds


def test_each_figure_says_where_it_stands_and_what_it_is():
    assert len(FIGURES) == len(figures()) == 10
    for figure in figures():
        assert figure.where.startswith("extraction-speed-guide.md, section")
        assert figure.stated[0] <= figure.stated[1]
        assert figure.quote
        assert figure.formula
        assert any(character.isdigit() for character in figure.finding)
