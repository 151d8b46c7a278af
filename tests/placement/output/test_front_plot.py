from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.output.front_plot import Corner, Marks, front_plot

SVG = "{http://www.w3.org/2000/svg}"
MEDIUM = [
    (2.0, 2901.0), (2.2, 3054.0), (2.4, 6304.0), (2.9, 6448.0), (3.0, 7417.0), (3.6, 10132.0), (4.4, 11821.0),
    (5.0, 12875.0), (5.4, 14185.0), (6.0, 15327.0), (6.4, 15761.0), (7.0, 17881.0), (8.0, 21458.0),
]  # fmt: skip


def corners(count: int = 13) -> list[Corner]:
    """The medium front, or as many corners along a curve."""
    if count == 13:
        return [Corner(f"corner {i}", *figures) for i, figures in enumerate(MEDIUM)]
    return [Corner(f"corner {i}", 2.0 + 6 * i / count, 3000.0 + 18000 * i / count) for i in range(count)]


def drawn(found: list[Corner], marks: Marks | None = None) -> ET.Element:
    return ET.fromstring(front_plot(found, "model", "modelled", marks))


def texts(svg: ET.Element, kind: str = "") -> list[str]:
    return [t.text or "" for t in svg.iter(f"{SVG}text") if not kind or t.get("class") == kind]


def boxes(svg: ET.Element) -> list[tuple[float, float, float, float]]:
    """Where each point's number is, at 7.4 pixels a digit and 11.5 high."""
    found = []
    for text in svg.iter(f"{SVG}text"):
        if text.get("class") == "number":
            x, y, half = float(text.get("x", 0)), float(text.get("y", 0)), 3.7 * len(text.text or "")
            found.append((x - half, y - 9.5, x + half, y + 2))
    return found


@pytest.mark.parametrize("count", [1, 2, 13, 25, 40])
def test_every_corner_has_a_point_a_number_and_a_row(count: int) -> None:
    svg = drawn(corners(count))
    assert len(list(svg.iter(f"{SVG}circle"))) == count
    assert texts(svg, "number") == [str(i + 1) for i in range(count)]
    assert [text for text in texts(svg) if text.startswith("corner ")] == [
        f"corner {i}" for i in range(count)
    ]


@pytest.mark.parametrize("count", [13, 25, 40])
def test_numbers_of_points_never_overlap(count: int) -> None:
    for a, b in itertools.combinations(boxes(drawn(corners(count), Marks(5))), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(1, 1e5)), min_size=13, max_size=40),
)
def test_nor_do_they_on_any_front(steps: list[tuple[float, float]]) -> None:
    sums = itertools.accumulate(steps, lambda a, b: (a[0] + b[0], a[1] + b[1]))
    found = boxes(drawn([Corner("x", *figures) for figures in sums]))
    for a, b in itertools.combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_crowded_front_keeps_every_point_and_says_which_rows_are_missing() -> None:
    found = corners(146)
    found[50] = Corner("corner 50", found[50].usd_per_hour, 40000.0)
    svg = drawn(found, Marks(77))
    assert len(list(svg.iter(f"{SVG}circle"))) == 146
    rows = [text for text in texts(svg) if text.startswith("corner ")]
    assert {"corner 77", "corner 50"} <= set(rows)  # the chosen one, and the cheapest token
    assert 38 <= len(rows) <= 40
    assert texts(svg, "more") == [f"{146 - len(rows)} more corners are drawn without a row"]


def test_the_chosen_plan_stands_out() -> None:
    svg = drawn(corners(), Marks(chosen=5))
    chosen = [group for group in svg.iter(f"{SVG}g") if group.get("class") == "chosen"]
    assert len(chosen) == 2
    assert "corner 5" in [text.text for text in chosen[1].iter(f"{SVG}text")]


def test_limits_are_lines_with_their_figures() -> None:
    assert texts(drawn(corners(), Marks(5, budget=4.0, floor=9000.0)), "limit-name") == [
        "budget 4",
        "at least 9,000",
    ]
    assert texts(drawn(corners()), "limit-name") == []


def test_a_limit_beyond_the_front_stays_inside_the_drawing() -> None:
    svg = drawn(corners(), Marks(5, budget=50.0, floor=90000.0))
    for line in svg.iter(f"{SVG}line"):
        if line.get("class") == "limit":
            assert 78 <= float(line.get("x1", 0)) <= 660
            assert float(line.get("y1", 0)) >= 46


def test_the_ray_runs_through_the_cheapest_token() -> None:
    svg = drawn(corners())
    (ray,) = (line for line in svg.iter(f"{SVG}line") if line.get("class") == "ray")
    x1, y1, x2, y2 = (float(ray.get(name, 0)) for name in ("x1", "y1", "x2", "y2"))
    circle = list(svg.iter(f"{SVG}circle"))[5]
    x, y = float(circle.get("cx", 0)), float(circle.get("cy", 0))
    assert (y - y1) / (x - x1) == pytest.approx((y2 - y1) / (x2 - x1), rel=1e-2)
    assert (ray[0].text or "").startswith("0.0986")


def test_no_plan_at_all_is_an_empty_drawing() -> None:
    assert list(drawn([]).iter(f"{SVG}circle")) == []


@given(st.text(), st.text())
def test_names_from_files_are_text_whatever_they_hold(name: str, title: str) -> None:
    text = front_plot([Corner(name, 1.0, 10.0)], title, "modelled")
    ET.fromstring(text)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)


def test_it_is_readable_in_the_dark_and_asks_for_nothing() -> None:
    text = front_plot(corners(), "model", "modelled")
    assert "prefers-color-scheme:dark" in text
    assert "<script" not in text
    assert not re.search(r"(?:href|src|url\()", text)
