"""The front against brute force, and its table, frame and drawing."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.report.pareto import (
    COLUMNS,
    PromptPoint,
    non_dominated,
    on_front,
    pareto_frame,
    pareto_table,
)
from harness.prompts.report.pareto_plot import pareto_plot

tables = st.integers(1, 3).flatmap(
    lambda k: st.lists(st.tuples(*[st.integers(0, 4)] * k), min_size=1, max_size=25)
)
points = st.lists(
    st.builds(
        PromptPoint,
        name=st.text(max_size=8),
        score=st.integers(0, 4).map(lambda k: k / 4),
        prompt_tokens=st.integers(0, 5000),
        latency_s=st.sampled_from([0.1, 0.2, math.nan]),
    ),
    max_size=12,
)


def beats(one, other):
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@settings(deadline=None)
@given(tables)
def test_the_front_is_what_brute_force_finds(rows):
    wanted = [not any(beats(other, row) for other in rows) for row in rows]
    assert list(non_dominated(rows)) == wanted


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_plays_no_part(rows, r):
    order = list(range(len(rows)))
    r.shuffle(order)
    kept = non_dominated(rows)
    assert list(non_dominated([rows[i] for i in order])) == [kept[i] for i in order]
    assert kept.any()


def test_costs_without_an_order_are_refused():
    with pytest.raises(ValueError, match="without NaN"):
        non_dominated([[math.nan, 1.0]])
    with pytest.raises(ValueError, match="table"):
        non_dominated([1.0, 2.0])


def test_latency_counts_only_where_all_are_timed():
    slow, fast = PromptPoint("slow", 0.9, 100, 2.0), PromptPoint("fast", 0.8, 200, 1.0)
    assert on_front([slow, fast]) == [True, True]
    assert on_front([slow, PromptPoint("fast", 0.8, 200)]) == [True, False]
    assert on_front([]) == []


def test_frame_and_table():
    found = [PromptPoint("seed", 0.5, 10, 0.1, 0.4, 0.6), PromptPoint("long", 0.5, 90, 0.2)]
    frame = pareto_frame(found)
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame["on_front"]) == [True, False]
    rows = pareto_table(found).rows
    assert rows[0] == ("seed", "0.500 [0.400, 0.600]", "10", "100 ms", "yes", "measured")
    assert rows[1][4] == "no"
    assert pareto_frame([]).empty


@settings(deadline=None, max_examples=40)
@given(points)
def test_every_drawing_is_well_formed_and_has_every_point(found):
    svg = ET.fromstring(pareto_plot(found))
    assert len(svg.findall(".//circle")) == len(found)
    numbers = [float(circle.get("cx")) for circle in svg.findall(".//circle")]
    assert np.isfinite(numbers).all()


def test_names_are_escaped_in_the_drawing():
    svg = pareto_plot([PromptPoint("<script>alert(1)</script>", 0.5, 10)])
    assert "<script>" not in svg
