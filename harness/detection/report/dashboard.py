"""The six panels that people expect of a detector, as one drawing: ROC, precision and recall, the scores of
both classes, their numbers, the confusion matrix, and the figures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.detection.detector.auc import Auc, Flags
from harness.detection.detector.curves import Confusion, curves
from harness.measure.stats import Floats
from harness.render.svg import WIDTH, canvas, element, markup

_COLUMNS, _GAP, _TOP, _SIZE = 3, 84.0, 40.0, 240.0
_BINS = 20


@dataclass(frozen=True)
class Shown:
    """Held-out scores in [0, 1] with their labels, and what was called at each fold's threshold."""

    scores: Floats
    labels: Flags
    confusion: Confusion
    auc: Auc
    figures: tuple[tuple[str, str], ...]


def dashboard(shown: Shown, *, identity: str = "dashboard") -> str:
    """`<svg>` text of the six panels; raises ValueError without both classes."""
    positives = int(np.count_nonzero(shown.labels))
    described = (
        f"AUC {shown.auc.auc:.3f}; {positives} of {len(shown.labels)} responses hallucinated; "
        f"F1 {shown.confusion.f1:.3f}"
    )
    height = 2 * (_SIZE + _GAP) + _TOP
    svg = canvas(WIDTH, height, identity, "Detector dashboard", described, "dashboard heat")
    panels = (_roc, _precision_recall, _distributions, _balance, _matrix, _figures)
    for number, draw in enumerate(panels):
        x = 50.0 + (number % _COLUMNS) * (_SIZE + _GAP + 20.0)
        y = _TOP + (number // _COLUMNS) * (_SIZE + _GAP)
        draw(element(svg, "g", transform=f"translate({x:.1f} {y:.1f})"), shown)
    return markup(svg)


def _title(panel: ET.Element, text: str, below: str = "", beside: str = "") -> None:
    element(panel, "text", text, x=0.0, y=-12.0, class_="figure")
    if below:
        element(panel, "text", below, x=_SIZE / 2, y=_SIZE + 30.0, text_anchor="middle", class_="detail")
    if beside:
        element(panel, "text", beside, x=-8.0, y=_SIZE + 30.0, text_anchor="start", class_="detail")


def _frame(panel: ET.Element) -> None:
    """The unit square with its ticks."""
    for tenth in range(0, 11, 5):
        at = _SIZE * tenth / 10
        element(panel, "line", x1=0.0, x2=_SIZE, y1=at, y2=at, class_="grid")
        element(panel, "line", x1=at, x2=at, y1=0.0, y2=_SIZE, class_="grid")
        element(panel, "text", f"{tenth / 10:g}", x=at, y=_SIZE + 15.0, text_anchor="middle", class_="tick")
        element(panel, "text", f"{1 - tenth / 10:g}", x=-6.0, y=at + 4.0, text_anchor="end", class_="tick")


def _line(panel: ET.Element, x: Floats, y: Floats) -> None:
    points = " ".join(f"{_SIZE * a:.1f},{_SIZE * (1.0 - b):.1f}" for a, b in zip(x, y, strict=True))
    element(panel, "polyline", points=points, fill="none", class_="one")


def _roc(panel: ET.Element, shown: Shown) -> None:
    found = curves(shown.scores, shown.labels)
    _frame(panel)
    element(panel, "line", x1=0.0, y1=_SIZE, x2=_SIZE, y2=0.0, class_="rule")
    _line(panel, found.false_positive_rate, found.true_positive_rate)
    auc = shown.auc
    _title(
        panel, f"ROC: AUC {auc.auc:.3f} [{auc.low:.3f}, {auc.high:.3f}]", "false positive rate", "recall ^"
    )


def _precision_recall(panel: ET.Element, shown: Shown) -> None:
    found = curves(shown.scores, shown.labels)
    _frame(panel)
    share = float(np.mean(shown.labels))
    level = _SIZE * (1.0 - share)
    element(panel, "line", x1=0.0, y1=level, x2=_SIZE, y2=level, class_="rule")
    _line(panel, found.true_positive_rate, found.precision)
    _title(panel, f"Precision and recall: {share:.0%} are hallucinated", "recall", "precision ^")


def _distributions(panel: ET.Element, shown: Shown) -> None:
    _frame(panel)
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    for flag, state in ((False, "unchanged"), (True, "worse")):
        counts, _ = np.histogram(shown.scores[shown.labels.astype(bool) == flag], edges)
        tallest = max(int(counts.max()), 1)
        group = element(panel, "g", class_=f"cell is-{state}")
        for number, count in enumerate(counts):
            tall = _SIZE * 0.95 * int(count) / tallest
            left = _SIZE * number / _BINS + (_SIZE / _BINS / 2 if flag else 0.0)
            element(group, "rect", x=left, y=_SIZE - tall, width=_SIZE / _BINS / 2, height=tall)
    _title(panel, "Scores: faithful, hallucinated", "held-out score")


def _balance(panel: ET.Element, shown: Shown) -> None:
    positives = int(np.count_nonzero(shown.labels))
    rows = (("faithful", len(shown.labels) - positives, "unchanged"), ("hallucinated", positives, "worse"))
    _title(panel, "Responses")
    for number, (name, count, state) in enumerate(rows):
        y = 40.0 + 90.0 * number
        wide = _SIZE * count / len(shown.labels)
        group = element(panel, "g", class_=f"cell is-{state}")
        element(group, "rect", x=0.0, y=y, width=wide, height=40.0)
        element(panel, "text", f"{name}: {count:,}", x=0.0, y=y - 8.0, class_="detail")


def _matrix(panel: ET.Element, shown: Shown) -> None:
    found = shown.confusion
    cells = (
        ("right: faithful", found.true_negatives, "improved"),
        ("called in error", found.false_positives, "worse"),
        ("missed", found.false_negatives, "worse"),
        ("right: hallucinated", found.true_positives, "improved"),
    )
    _title(panel, "Called by each fold's own threshold")
    side = _SIZE / 2
    for number, (name, count, state) in enumerate(cells):
        x, y = side * (number % 2), side * (number // 2)
        group = element(panel, "g", class_=f"cell is-{state}")
        element(group, "rect", x=x + 2, y=y + 2, width=side - 4, height=side - 4, rx=5)
        middle = x + side / 2
        element(group, "text", f"{count:,}", x=middle, y=y + side / 2, text_anchor="middle", class_="figure")
        element(group, "text", name, x=middle, y=y + side / 2 + 22.0, text_anchor="middle", class_="detail")


def _figures(panel: ET.Element, shown: Shown) -> None:
    found = shown.confusion
    rows: Sequence[tuple[str, str]] = (
        ("precision", f"{found.precision:.3f}"),
        ("recall", f"{found.recall:.3f}"),
        ("F1", f"{found.f1:.3f}"),
        ("accuracy", f"{found.accuracy:.3f}"),
        *shown.figures,
    )
    _title(panel, "Figures")
    for number, (name, figure) in enumerate(rows):
        y = 24.0 + 26.0 * number
        element(panel, "text", name, x=0.0, y=y, class_="detail")
        element(panel, "text", figure, x=_SIZE, y=y, text_anchor="end", class_="figure")
