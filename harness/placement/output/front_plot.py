"""The front as a drawing of its own: cost against throughput, corners numbered, plans named beside it."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from harness.render import numbers
from harness.render.escape import clip, printable
from harness.render.svg import canvas, element, markup

_LEFT, _TOP, _BOTTOM, _PLOT, _TABLE = 78, 46, 58, 620, 700
_ROW, _LEAST_HEIGHT, _MOST_ROWS = 19, 400, 40
_LABEL_HEIGHT, _DIGIT_WIDTH, _GAP = 13.0, 7.4, 3.0
# Where a corner's number may go: beyond the front first, then under it, then farther off with a line.
_DIRECTIONS = ((-0.7, -0.7), (-1.0, -0.1), (0.0, -1.0), (0.7, 0.7), (1.0, 0.1), (0.0, 1.0), (-0.4, -0.9))
_DISTANCES = (13.0, 20.0, 30.0, 42.0, 56.0, 72.0)

_STYLE = """
svg{--bg:#fff;--ink:#1c2126;--muted:#5a636e;--line:#e2e4e1;
--front:#0a62b5;--chosen:#b3261e;--limit:#8a5a00}
@media (prefers-color-scheme:dark){svg{--bg:#171b20;--ink:#e6e9ec;--muted:#9ba5b0;--line:#2b3138;
--front:#78b8ff;--chosen:#ff8b81;--limit:#e5b450}}
.back{fill:var(--bg)}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--ink);
font-variant-numeric:tabular-nums}
.tick,.head,.more{fill:var(--muted);font-size:12px}.head{font-weight:600}
.grid{stroke:var(--line)}.axis{stroke:var(--muted)}
.step{fill:none;stroke:var(--front);stroke-width:2}
.corner{fill:var(--bg);stroke:var(--front);stroke-width:2}
.chosen .corner{fill:var(--chosen);stroke:var(--chosen)}.chosen text{fill:var(--chosen);font-weight:600}
.leader{stroke:var(--muted);stroke-width:.8}
.ray{stroke:var(--chosen);stroke-width:1.2;stroke-dasharray:2 4}
.limit{stroke:var(--limit);stroke-width:1.5;stroke-dasharray:7 4}.limit-name{fill:var(--limit);font-size:12px}
.number{font-size:11.5px;paint-order:stroke;stroke:var(--bg);stroke-width:3px}
"""


@dataclass(frozen=True, slots=True)
class Corner:
    """One corner of the front and the name of its plan; USD/h and tokens/s."""

    name: str
    usd_per_hour: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn besides the corners: the chosen one's index, and the limits that were asked for."""

    chosen: int | None = None
    budget: float | None = None
    floor: float | None = None


def front_plot(corners: Sequence[Corner], title: str, provenance: str, marks: Marks | None = None) -> str:
    """`<svg>` text: the staircase of the front from the origin, the ray of equal USD/token, a table.

    `corners` ascend in both coordinates. Beyond 40 corners the table keeps the chosen one and others
    evenly; every corner keeps its point and, by pointing at it, its name.
    """
    marks = marks or Marks()
    cheapest = min(corners, key=lambda c: c.usd_per_hour / c.tokens_per_s, default=None)
    told = _told(corners, {marks.chosen} | ({corners.index(cheapest)} if cheapest else set()))
    rows = len(told) + (len(told) < len(corners))
    height = max(_LEAST_HEIGHT, _TOP + _ROW * (rows + 2)) + _BOTTOM
    description = (
        f"{numbers.several(len(corners), 'plan')} that no other one beats, {provenance}. "
        + "; ".join(_row_text(corner) for corner in corners[:8])
    )
    svg = canvas(_LEFT + _PLOT + _TABLE, height, "front", title, description, "costs")
    svg.set("xmlns", "http://www.w3.org/2000/svg")
    ET.SubElement(svg, "style").text = _STYLE
    element(svg, "rect", width="100%", height="100%", class_="back")
    element(svg, "text", f"{title} ({provenance})", x=_LEFT, y=24.0, font_weight="600")
    scale = _Scale(corners, marks, height)
    _axes(svg, scale)
    _limits(svg, scale, marks)
    if cheapest:
        _ray(svg, scale, cheapest)
    _staircase(svg, scale, corners)
    _points(svg, scale, corners, told, marks.chosen)
    _table(svg, corners, told, marks.chosen)
    return markup(svg) + "\n"


class _Scale:
    """Both axes from zero, so that equal USD/token is a ray from the origin."""

    def __init__(self, corners: Sequence[Corner], marks: Marks, height: int) -> None:
        usd = max([*(c.usd_per_hour for c in corners), marks.budget or 0.0, 1e-12])
        rate = max([*(c.tokens_per_s for c in corners), marks.floor or 0.0, 1e-12])
        self.usd, self.rate = usd * 1.06, rate * 1.08
        self.left, self.right = float(_LEFT), float(_LEFT + _PLOT - 40)
        self.top, self.bottom = float(_TOP), float(height - _BOTTOM)

    def x(self, usd: float) -> float:
        return self.left + (self.right - self.left) * usd / self.usd

    def y(self, rate: float) -> float:
        return self.bottom - (self.bottom - self.top) * rate / self.rate


def _ticks(most: float) -> list[float]:
    """Four to nine round values from zero up."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if most / (power * part) <= 8)
    return [step * count for count in range(int(most / step) + 1)]


def _axes(svg: ET.Element, scale: _Scale) -> None:
    for usd in _ticks(scale.usd):
        x = scale.x(usd)
        element(svg, "line", x1=x, x2=x, y1=scale.top, y2=scale.bottom, class_="axis" if not usd else "grid")
        element(svg, "text", f"{usd:.12g}", x=x, y=scale.bottom + 18, text_anchor="middle", class_="tick")
    for rate in _ticks(scale.rate):
        y = scale.y(rate)
        element(svg, "line", x1=scale.left, x2=scale.right, y1=y, y2=y, class_="grid" if rate else "axis")
        name = f"{rate:,.0f}" if scale.rate >= 10 else f"{rate:.12g}"
        element(svg, "text", name, x=scale.left - 8, y=y + 4, text_anchor="end", class_="tick")
    middle = (scale.left + scale.right) / 2
    element(svg, "text", "USD per hour", x=middle, y=scale.bottom + 38, text_anchor="middle", class_="head")
    element(svg, "text", "tokens/s", x=scale.left, y=scale.top - 8, text_anchor="end", class_="head")


def _limits(svg: ET.Element, scale: _Scale, marks: Marks) -> None:
    if marks.budget is not None:
        x = scale.x(marks.budget)
        element(svg, "line", x1=x, x2=x, y1=scale.top, y2=scale.bottom, class_="limit")
        text = f"budget {numbers.significant(marks.budget)}"
        element(svg, "text", text, x=x, y=scale.top - 6, text_anchor="middle", class_="limit-name")
    if marks.floor is not None:
        y = scale.y(marks.floor)
        element(svg, "line", x1=scale.left, x2=scale.right, y1=y, y2=y, class_="limit")
        text = f"at least {numbers.significant(marks.floor)}"
        element(svg, "text", text, x=scale.right, y=y - 5, text_anchor="end", class_="limit-name")


def _ray(svg: ET.Element, scale: _Scale, cheapest: Corner) -> None:
    """Every point under the ray costs more per token than the cheapest plan."""
    slope = cheapest.tokens_per_s / cheapest.usd_per_hour if cheapest.usd_per_hour else math.inf
    usd = min(scale.usd, scale.rate / slope)
    rate = slope * usd if usd else scale.rate
    ray = element(svg, "line", x1=scale.x(0), y1=scale.y(0), x2=scale.x(usd), y2=scale.y(rate), class_="ray")
    per_million = 1e6 / 3600 / slope
    element(ray, "title", f"{numbers.significant(per_million, 6)} USD per million tokens")


def _staircase(svg: ET.Element, scale: _Scale, corners: Sequence[Corner]) -> None:
    """What each budget buys: flat up to the next corner's cost, then up to its rate."""
    path: list[str] = []
    for corner in corners:
        x, y = scale.x(corner.usd_per_hour), scale.y(corner.tokens_per_s)
        path.append(f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}")
    if path:
        element(svg, "path", d="".join(path) + f"H{scale.right:.1f}", class_="step")


def _told(corners: Sequence[Corner], always: set[int | None]) -> list[int]:
    """The corners that get a number and a row: those in `always`, and others evenly."""
    count = len(corners)
    if count <= _MOST_ROWS:
        return list(range(count))
    needed = {number for number in always if number is not None}
    even = _MOST_ROWS - len(needed)
    return sorted(needed | {round(i * (count - 1) / (even - 1)) for i in range(even)})


Box = tuple[float, float, float, float]


def _points(
    svg: ET.Element, scale: _Scale, corners: Sequence[Corner], told: Sequence[int], chosen: int | None
) -> None:
    at = [(scale.x(c.usd_per_hour), scale.y(c.tokens_per_s)) for c in corners]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in at]
    for number, (corner, (x, y)) in enumerate(zip(corners, at, strict=True)):
        group = element(svg, "g", class_="chosen" if number == chosen else "")
        element(group, "title", _row_text(corner))
        element(group, "circle", cx=x, cy=y, r=5.5 if number == chosen else 3.5, class_="corner")
        if number in told:
            _number(group, str(number + 1), x, y, taken, scale)


def _number(group: ET.Element, text: str, x: float, y: float, taken: list[Box], scale: _Scale) -> None:
    """Write `text` at the nearest free place; a point too crowded for one keeps its title only."""
    width = _DIGIT_WIDTH * len(text)
    for distance in _DISTANCES:
        for right, down in _DIRECTIONS:
            middle, centre = x + right * distance, y + down * distance
            box = (
                middle - width / 2,
                centre - _LABEL_HEIGHT / 2,
                middle + width / 2,
                centre + _LABEL_HEIGHT / 2,
            )
            inside = (
                scale.left < box[0] and box[2] < scale.right and scale.top < box[1] and box[3] < scale.bottom
            )
            if not inside or any(_touch(box, other) for other in taken):
                continue
            taken.append(box)
            if distance > _DISTANCES[1]:
                element(
                    group, "line", x1=x, y1=y, x2=middle - right * 6, y2=centre - down * 6, class_="leader"
                )
            element(group, "text", text, x=middle, y=centre + 4, text_anchor="middle", class_="number")
            return


def _touch(a: Box, b: Box) -> bool:
    return a[0] - _GAP < b[2] and b[0] < a[2] + _GAP and a[1] < b[3] and b[1] < a[3]


def _table(svg: ET.Element, corners: Sequence[Corner], told: Sequence[int], chosen: int | None) -> None:
    left = float(_LEFT + _PLOT)
    columns = (
        (left + 18, "end"),
        (left + 84, "end"),
        (left + 172, "end"),
        (left + 244, "end"),
        (left + 260, "start"),
    )
    y = float(_TOP)
    for (x, anchor), head in zip(
        columns, ("", "USD/h", "tokens/s", "USD/M", "plan (layers of a stage)"), strict=True
    ):
        element(svg, "text", head, x=x, y=y, text_anchor=anchor, class_="head")
    for number in told:
        y += _ROW
        corner = corners[number]
        row = element(svg, "g", class_="chosen" if number == chosen else "")
        element(row, "title", corner.name)
        cells = (str(number + 1), *figures(corner), clip(printable(corner.name), 52))
        for (x, anchor), cell in zip(columns, cells, strict=True):
            element(row, "text", cell, x=x, y=y, text_anchor=anchor)
    if len(told) < len(corners):
        left_out = f"{len(corners) - len(told):,} more corners are drawn without a row"
        element(svg, "text", left_out, x=left, y=y + _ROW, class_="more")


def figures(corner: Corner) -> tuple[str, str, str]:
    """USD/h, tokens/s and USD per million tokens as text."""
    per_million = corner.usd_per_hour / (3600 * corner.tokens_per_s) * 1e6
    return f"{corner.usd_per_hour:,.2f}", f"{corner.tokens_per_s:,.2f}", numbers.significant(per_million, 4)


def _row_text(corner: Corner) -> str:
    usd, rate, per_million = figures(corner)
    return f"{usd} USD/h, {rate} tokens/s, {per_million} USD per million tokens: {corner.name}"
