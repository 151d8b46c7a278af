"""Charts as inline SVG, written by us: no script, no font, nothing to fetch.

Colour comes from the page's CSS custom properties and never carries meaning alone: every state has
a shape or a symbol and a word as well.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from harness.render import numbers
from harness.render.escape import clip, printable

WIDTH = 1040
_LEFT, _RIGHT, _ROW, _TOP = 290, 300, 46, 34
# An axis wider than this squeezes every ordinary effect into one pixel; farther points get an arrow.
_FARTHEST = 50.0
# Labels in the order in which they claim their place on the axis.
_TICKS = tuple(
    m * 10.0**e
    for group in ((1, 2, 5), (7, 3), (1.5, 6, 8, 9, 4), (1.25, 1.1))
    for m in group
    for e in (-1, 0, -2, 1)
)

SYMBOLS = {
    "improved": "+", "within limit": "+", "unchanged": "=", "worse": "!", "over limit": "!",
    "inconclusive": "?", "refused": "x", "modelled": "~", "quoted": "~", "report only": "-",
    "not run": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ForestPoint:
    """One ratio with its interval, and what it is to be read against (all ratios, positive)."""

    label: str
    detail: str
    figures: str
    verdict: str
    provenance: str
    ratio: float
    low: float
    high: float
    claims: tuple[tuple[float, float], ...] = ()
    noise: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class HeatCell:
    """State of one optimization on one hardware row: an outcome, `modelled` or `not run`."""

    state: str
    figure: str = ""
    detail: str = ""


def element(parent: ET.Element, tag: str, text: str = "", **attributes: str | float) -> ET.Element:
    """A child element; `stroke_width=` writes `stroke-width=`, `class_=` writes `class=`."""
    named = {
        name.rstrip("_").replace("_", "-"): f"{value:.1f}" if isinstance(value, float) else str(value)
        for name, value in attributes.items()
    }
    element = ET.SubElement(parent, tag, named)
    if text:
        element.text = printable(text)
    return element


def canvas(width: float, height: float, identity: str, title: str, description: str, kind: str) -> ET.Element:
    """An empty `<svg>` of this size in pixels; title and description are read aloud in its place."""
    svg = ET.Element(
        "svg",
        {
            "viewBox": f"0 0 {width:.0f} {height:.0f}", "width": f"{width:.0f}", "height": f"{height:.0f}",
            "class": f"chart {kind}", "role": "img", "aria-labelledby": f"{identity}-title {identity}-desc",
        },
    )  # fmt: skip
    element(svg, "title", title, id=f"{identity}-title")
    element(svg, "desc", description, id=f"{identity}-desc")
    return svg


def markup(svg: ET.Element) -> str:
    """The element as text, for a page or a file."""
    return ET.tostring(svg, encoding="unicode")


def _bounds(points: Sequence[ForestPoint]) -> tuple[float, float]:
    """The axis: all points, intervals and closed claim ends, room around 1, nothing beyond _FARTHEST."""
    values = [value for p in points for value in (p.ratio, p.low, p.high)]
    values += [end for p in points for claim in p.claims for end in claim]
    kept = [min(max(v, 1 / _FARTHEST), _FARTHEST) for v in values if 0 < v < math.inf]
    low, high = min([0.8, *kept]), max([1.25, *kept])
    margin = (high / low) ** 0.04
    return low / margin, high * margin


class _Axis:
    """A log axis between `low` and `high`, in pixels."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self._left, self._width = float(_LEFT), float(WIDTH - _LEFT - _RIGHT)

    def at(self, value: float) -> float:
        """The pixel of `value`, held to the axis."""
        held = min(max(value, self.low), self.high) if value > 0 else self.low
        return self._left + self._width * math.log(held / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Round values on the axis, thinned until their labels do not touch."""
        kept = [1.0]
        for tick in _TICKS:
            if self.low <= tick <= self.high and all(
                abs(self.at(tick) - self.at(other)) >= 44 for other in kept
            ):
                kept.append(tick)
        return sorted(kept)


def forest_plot(points: Sequence[ForestPoint], *, identity: str = "forest") -> str:
    """Ratios on a log axis with interval, claim band and the canary's noise band, as `<svg>`.

    A filled circle is measured, an open diamond modelled, an open square quoted; the word stands beside it.
    """
    height = _TOP + _ROW * len(points) + 16
    description = (
        f"{numbers.several(len(points), 'ratio')} of optimized to baseline on a logarithmic axis. "
        + "; ".join(f"{p.label}, {p.detail}: {p.figures}, {p.verdict}, {p.provenance}" for p in points[:8])
    )
    svg = canvas(WIDTH, height, identity, "Effect of each optimization", description, "forest")
    axis = _Axis(*_bounds(points))
    for tick in axis.ticks():
        x = axis.at(tick)
        element(svg, "line", x1=x, x2=x, y1=_TOP - 8, y2=height - 10, class_="one" if tick == 1 else "grid")
        element(svg, "text", f"{tick:g}", x=x, y=_TOP - 14, text_anchor="middle", class_="tick")
    for number, point in enumerate(points):
        _forest_row(svg, axis, point, float(_TOP + _ROW * number))
    return markup(svg)


def _forest_row(svg: ET.Element, axis: _Axis, point: ForestPoint, top: float) -> None:
    middle = top + _ROW / 2
    row = element(svg, "g", class_=f"row {_class(point.verdict)}")
    element(
        row, "title", f"{point.label}, {point.detail}: {point.figures}, {point.verdict}, {point.provenance}"
    )
    if top > _TOP:
        element(row, "line", x1=0, x2=WIDTH, y1=top, y2=top, class_="rule")
    element(row, "text", clip(printable(point.label), 38), x=0, y=middle - 3, class_="name")
    element(row, "text", clip(printable(point.detail), 46), x=0, y=middle + 13, class_="detail")
    for low, high in point.claims:
        left, right = axis.at(max(low, 0.0)), axis.at(high)
        element(
            row, "rect", x=left, y=middle - 13, width=max(right - left, 2.0), height=26, rx=3, class_="claim"
        )
    if point.noise:
        left, right = axis.at(point.noise[0]), axis.at(point.noise[1])
        element(row, "rect", x=left, y=top, width=max(right - left, 1.0), height=_ROW, class_="noise")
    element(
        row, "line", x1=axis.at(point.low), x2=axis.at(point.high), y1=middle, y2=middle, class_="interval"
    )
    _marker(row, axis, point, middle)
    right = WIDTH - _RIGHT + 20
    element(row, "text", point.figures, x=right, y=middle - 3, class_="figure")
    state = f"{SYMBOLS.get(point.verdict, '')} {point.verdict} · {point.provenance}"
    if point.noise:
        # Half the band's width: on a wide axis the band itself may be thinner than a pixel.
        state += f" · noise {numbers.percent((point.noise[1] - point.noise[0]) / 2)}"
    element(row, "text", state, x=right, y=middle + 13, class_="state")


def _class(verdict: str) -> str:
    return "is-" + (verdict if verdict in SYMBOLS else "unknown").replace(" ", "-")


def _marker(row: ET.Element, axis: _Axis, point: ForestPoint, y: float) -> None:
    x = axis.at(point.ratio)
    if not axis.low <= point.ratio <= axis.high:
        side = 7 if point.ratio > axis.high else -7
        element(
            row,
            "path",
            d=f"M{x:.1f} {y - 6:.1f}L{x + side:.1f} {y:.1f}L{x:.1f} {y + 6:.1f}Z",
            class_="mark beyond",
        )
    elif point.provenance == "measured":
        element(row, "circle", cx=x, cy=y, r=4.5, class_="mark measured")
    elif point.provenance == "modelled":
        element(
            row,
            "path",
            d=f"M{x - 6.5:.1f} {y:.1f}L{x:.1f} {y - 6.5:.1f}L{x + 6.5:.1f} {y:.1f}L{x:.1f} {y + 6.5:.1f}Z",
            class_="mark open",
        )
    else:
        element(row, "rect", x=x - 5, y=y - 5, width=10, height=10, class_="mark open")


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: dict[tuple[str, str], HeatCell],
    *,
    identity: str = "heat",
) -> str:
    """Optimization x hardware, as `<svg>`: state as symbol, word and figure; blank without a cell."""
    label, step, height = 190, 92, 44
    told: dict[str, int] = {}
    for cell in cells.values():
        told[cell.state] = told.get(cell.state, 0) + 1
    description = "; ".join(f"{told[state]} {state}" for state in SYMBOLS if state in told)
    svg = canvas(
        label + step * len(columns), 30 + height * len(rows), identity,
        "State of each optimization on each hardware row", description, "heat",
    )  # fmt: skip
    for j, column in enumerate(columns):
        x = label + step * (j + 0.5)
        element(svg, "text", clip(printable(column), 12), x=x, y=18, text_anchor="middle", class_="name")
    for i, row in enumerate(rows):
        top = 30.0 + height * i
        text = element(svg, "text", clip(printable(row), 25), x=0, y=top + height / 2 + 4, class_="name")
        element(text, "title", row)
        for j, column in enumerate(columns):
            found = cells.get((row, column))
            if found is not None:
                left = label + step * j + 3.0
                _heat_cell(svg, found, f"{row} on {column}", left, top + 3, step - 6, height - 6)
    return markup(svg)


def _heat_cell(
    svg: ET.Element, cell: HeatCell, where: str, x: float, y: float, width: int, height: int
) -> None:
    group = element(svg, "g", class_=f"cell {_class(cell.state)}")
    element(group, "title", ": ".join(part for part in (where, cell.state, cell.figure, cell.detail) if part))
    element(group, "rect", x=x, y=y, width=width, height=height, rx=5)
    middle = x + width / 2
    if cell.state == "not run":
        element(
            group, "text", "not run", x=middle, y=y + height / 2 + 4, text_anchor="middle", class_="state"
        )
        return
    head = f"{SYMBOLS.get(cell.state, '')} {cell.figure}".strip()
    element(group, "text", head, x=middle, y=y + 16, text_anchor="middle", class_="figure")
    element(group, "text", cell.state, x=middle, y=y + 31, text_anchor="middle", class_="state")
