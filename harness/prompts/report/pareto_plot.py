"""Score against prompt tokens as a drawing: intervals, the front as a staircase. Text is escaped."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from harness.prompts.report.pareto import PromptPoint, non_dominated, on_front
from harness.render import numbers
from harness.render.escape import clip, printable
from harness.render.svg import WIDTH, canvas, element, markup
from harness.render.tables import score_text

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 380, 70.0, 60.0, 30.0, 320.0
_LABEL = 26


def pareto_plot(points: Sequence[PromptPoint], *, identity: str = "pareto") -> str:
    """`<svg>` text: prompt tokens to the right, score upwards, the score's interval as a line.

    A filled circle is on the front of all three figures, an open one is beaten. The staircase is the front of
    score and tokens alone.
    """
    kept = on_front(points)
    description = f"{numbers.several(len(points), 'prompt')}. " + "; ".join(
        _told(point) for point, on in zip(points, kept, strict=True) if on
    )
    svg = canvas(WIDTH, _HEIGHT, identity, "Score against prompt length", description, "pareto")
    most = 1.08 * max([point.prompt_tokens for point in points], default=1) or 1.0
    _axes(svg, most)
    _staircase(svg, points, most)
    for point, on in zip(points, kept, strict=True):
        _mark(svg, point, on, most)
    return markup(svg)


def _x(tokens: float, most: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * tokens / most


def _y(score: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * min(max(score, 0.0), 1.0)


def _axes(svg: ET.Element, most: float) -> None:
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        element(svg, "line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        element(svg, "text", f"{tenth / 10:.1f}", x=_LEFT - 8, y=y + 4, text_anchor="end", class_="tick")
    for tokens in _ticks(most):
        element(
            svg, "text", f"{tokens:,}", x=_x(tokens, most), y=_BOTTOM + 18, text_anchor="middle",
            class_="tick",
        )  # fmt: skip
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    element(svg, "text", "prompt tokens", x=middle, y=_BOTTOM + 40, text_anchor="middle", class_="detail")
    element(svg, "text", "F1", x=_LEFT - 8, y=_TOP - 12, text_anchor="end", class_="detail")


def _ticks(most: float) -> list[int]:
    """Whole round numbers from zero up, at most nine."""
    power = 10 ** max(0, math.floor(math.log10(most)) - 1)
    step = next(power * part for part in (1, 2, 5, 10, 20, 50) if most / (power * part) <= 8)
    return list(range(0, int(most) + 1, step))


def _staircase(svg: ET.Element, points: Sequence[PromptPoint], most: float) -> None:
    """The best score that so many tokens buy."""
    if not points:
        return
    flat = non_dominated([[-point.score, point.prompt_tokens] for point in points])
    corners = sorted({(p.prompt_tokens, p.score) for p, on in zip(points, flat, strict=True) if on})
    path = ""
    for tokens, score in corners:
        x, y = _x(tokens, most), _y(score)
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    element(svg, "path", d=f"{path}H{WIDTH - _RIGHT:.1f}", class_="one", fill="none")


def _mark(svg: ET.Element, point: PromptPoint, on: bool, most: float) -> None:
    x, y = _x(point.prompt_tokens, most), _y(point.score)
    group = element(svg, "g", class_="is-improved" if on else "is-not-run")
    element(group, "title", f"{_told(point)}, {'on the front' if on else 'beaten'}")
    if not math.isnan(point.score_low):
        ends = _y(point.score_low), _y(point.score_high)
        element(group, "line", x1=x, x2=x, y1=ends[0], y2=ends[1], class_="interval")
    element(group, "circle", cx=x, cy=y, r=5, class_="mark" if on else "mark open")
    anchor = "end" if x > WIDTH - _RIGHT - 120 else "start"
    away = -9 if anchor == "end" else 9
    text = clip(printable(point.name), _LABEL)
    element(group, "text", text, x=x + away, y=y - 6, text_anchor=anchor, class_="detail")


def _told(point: PromptPoint) -> str:
    text = f"{point.name}: F1 {score_text(point.score, point.score_low, point.score_high)}"
    text += f", {numbers.several(point.prompt_tokens, 'prompt token')}"
    return text if math.isnan(point.latency_s) else f"{text}, {numbers.quantity(point.latency_s, 's')}"
