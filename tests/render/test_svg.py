import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.render.svg import SYMBOLS, ForestPoint, HeatCell, forest_plot, heat_map


def point(**changes: Any) -> ForestPoint:
    made: dict[str, Any] = {
        "label": "a", "detail": "latency, cpu", "figures": "0.313 [0.309, 0.318]", "verdict": "improved",
        "provenance": "measured", "ratio": 0.313, "low": 0.309, "high": 0.318,
    }  # fmt: skip
    return ForestPoint(**made | changes)


def row_of(made: ForestPoint) -> ET.Element:
    (row,) = (g for g in ET.fromstring(forest_plot([made])).iter("g"))
    return row


def classes(element: ET.Element) -> set[str]:
    return {name for child in element.iter() for name in (child.get("class") or "").split()}


def test_charts_are_labelled_images() -> None:
    for text in (
        forest_plot([point()]),
        heat_map(["a"], ["cpu"], {("a", "cpu"): HeatCell("improved", "0.3")}),
    ):
        svg = ET.fromstring(text)
        assert svg.get("role") == "img"
        ids = {child.get("id") for child in svg.iter() if child.get("id")}
        assert set((svg.get("aria-labelledby") or "").split()) <= ids
        assert svg.findtext("title")
        assert svg.findtext("desc")


@pytest.mark.parametrize(
    ("provenance", "tag"), [("measured", "circle"), ("modelled", "path"), ("quoted", "rect")]
)
def test_provenance_has_its_own_shape_and_word(provenance: str, tag: str) -> None:
    row = row_of(point(provenance=provenance))
    marks = [child.tag for child in row if "mark" in (child.get("class") or "")]
    assert marks == [tag]
    assert any(f"improved · {provenance}" in (text.text or "") for text in row.iter("text"))


def test_promise_and_noise_are_bands_around_what_was_found() -> None:
    row = row_of(point(claims=((0.25, 0.4),), noise=(0.99, 1.01)))
    spans = {r.get("class"): (float(r.get("x", "")), float(r.get("width", ""))) for r in row.iter("rect")}
    (dot,) = row.iter("circle")
    left, width = spans["claim"]
    assert left < float(dot.get("cx", "")) < left + width
    assert spans["noise"][0] > left + width
    assert any("noise 1.0 %" in (text.text or "") for text in row.iter("text"))


def test_a_point_off_the_axis_becomes_an_arrow() -> None:
    row = row_of(point(ratio=900.0, low=800.0, high=1000.0, figures="900 [800, 1,000]"))
    assert "beyond" in classes(row)
    assert any("900 [800, 1,000]" in (text.text or "") for text in row.iter("text"))


RATIO = st.floats(min_value=1e-300, max_value=1e300)
END = st.floats(allow_nan=False)


@given(RATIO, END, END, st.lists(st.tuples(END, END), max_size=2))
def test_everything_stays_on_the_canvas(
    ratio: float, low: float, high: float, claims: list[tuple[float, float]]
) -> None:
    made = point(
        ratio=ratio, low=min(low, ratio), high=max(high, ratio), claims=tuple(claims), noise=(0.9, 1.1)
    )
    svg = ET.fromstring(forest_plot([made]))
    width = float(svg.get("width", ""))
    for element in svg.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, "0")) <= width


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_only_text(text: str) -> None:
    forest = forest_plot([point(label=text, detail=text, figures=text)])
    heat = heat_map([text], [text], {(text, text): HeatCell("improved", text, text)})
    for chart in (forest, heat):
        tags = {re.sub(r"\{.*\}", "", element.tag) for element in ET.fromstring(chart).iter()}
        assert tags <= {"svg", "g", "title", "desc", "text", "line", "rect", "circle", "path"}


@pytest.mark.parametrize("state", sorted(SYMBOLS))
def test_every_state_is_told_without_colour(state: str) -> None:
    svg = ET.fromstring(heat_map(["a"], ["cpu"], {("a", "cpu"): HeatCell(state, "0.5")}))
    (group,) = svg.iter("g")
    words = [text.text for text in group.iter("text")]
    assert state in words
    if state != "not run":
        assert f"{SYMBOLS[state]} 0.5" in words


def test_a_pair_that_was_no_cell_is_blank() -> None:
    svg = ET.fromstring(heat_map(["a", "b"], ["cpu", "l4"], {("a", "cpu"): HeatCell("worse", "1.1")}))
    assert len(list(svg.iter("g"))) == 1
