"""The page of a detection run: is it better than knowing the task, and where does it see hallucinations?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.detection.data.responses import Response
from harness.detection.detector.controls import Judged
from harness.detection.report.dashboard import Shown, dashboard
from harness.render.sections import Bullets, Chart, Marked, Page, Paragraph, Section, Segment
from harness.render.tables import Table, score_text

MOST_RESPONSES = 12
RESOLUTION = (
    "differences of the area smaller than about {mde:.3f} cannot be told from noise with so many responses"
)


@dataclass(frozen=True, slots=True)
class Highlighted:
    """One response with its tokens' scores in [0, 1] (faint to strong) and characters [start, end) each."""

    response: Response
    score: float
    called: bool
    spans: tuple[tuple[int, int], ...]
    strengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page says. `controls` are judged as the detector is; `facts` are texts by name."""

    title: str
    detector: Judged
    controls: tuple[Judged, ...]
    shown: Shown
    highlighted: tuple[Highlighted, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()


def report_page(report: Report) -> Page:
    """The page; `harness.render.sections` writes it."""
    sections = [
        Section("Detector and controls", (_judged(report), Bullets(_sentences(report)))),
        Section("Dashboard", (Chart(dashboard(report.shown)),)),
        Section("Responses, token by token", tuple(_highlighted(report.highlighted))),
        Section("Where the figures come from", (_facts(report.facts),)),
    ]
    if report.notes:
        sections.append(Section("Notes", (Bullets(report.notes),)))
    return Page(report.title, lede(report), tuple(sections), "Hallucination detection report")


def lede(report: Report) -> str:
    """One sentence: the areas, and whether any control does as well."""
    found = report.detector
    rivals = [(_either_way(each.auc.auc), each.name) for each in report.controls]
    best, name = max(rivals, default=(0.0, ""))
    ending = "; no control does as well"
    if best >= found.auc.auc:
        ending = f"; {name} alone does no worse ({best:.3f})"
    return (
        f"AUC {score_text(found.auc.auc, found.auc.low, found.auc.high)}, within tasks "
        f"{score_text(found.within, *found.within_interval)}, on {found.auc.positives + found.auc.negatives} "
        f"held-out responses{ending}"
    )


def _either_way(area: float) -> float:
    """A control that is turned around is a control too."""
    return 0.0 if math.isnan(area) else max(area, 1.0 - area)


def judged_table(report: Report) -> Table:
    """Detector and controls as one table."""
    return _judged(report)


def _judged(report: Report) -> Table:
    head = ("score", "AUC (DeLong)", "by source", "within tasks", "tells the task", "PCC")
    rows = tuple(
        (
            each.name,
            score_text(each.auc.auc, each.auc.low, each.auc.high),
            f"[{each.grouped[0]:.3f}, {each.grouped[1]:.3f}]",
            score_text(each.within, *each.within_interval),
            score_text(each.task_auc),
            score_text(each.correlation),
        )
        for each in (report.detector, *report.controls)
    )
    return Table(head, rows)


def _sentences(report: Report) -> tuple[str, ...]:
    found = report.detector
    half = (found.auc.high - found.auc.low) / 2.0
    told = [
        "every score is of a response that its fold was not fitted on; sources are never parted",
        "within tasks: pairs of one task only, so that knowing the task brings nothing",
        RESOLUTION.format(mde=math.sqrt(2.0) * half),
    ]
    prior = next((each for each in report.controls if each.name == "task prior"), None)
    if prior is not None and prior.auc.auc > found.within:
        told.append(
            "the task alone tells more than the detector does within tasks: beware of the pooled area"
        )
    return tuple(told)


def _highlighted(responses: Sequence[Highlighted]) -> list[Paragraph | Marked]:
    blocks: list[Paragraph | Marked] = []
    for each in responses[:MOST_RESPONSES]:
        state = "hallucinated" if each.response.is_hallucinated else "faithful"
        called = "hallucinated" if each.called else "faithful"
        blocks.append(
            Paragraph(
                f"{each.response.id} ({each.response.task}): {state}, called {called}, score {each.score:.3f}"
            )
        )
        blocks.append(Marked(marked_response(each)))
    return blocks or [Paragraph("No response was kept.")]


def marked_response(each: Highlighted) -> tuple[tuple[Segment, ...], ...]:
    """The context and question, then the answer with every token marked by its score."""
    text = each.response.text
    pieces, at = [], 0
    for (start, end), strength in zip(each.spans, each.strengths, strict=True):
        if start > at:
            pieces.append(Segment(text[at:start]))
        true = any(start < label.end and label.start < end for label in each.response.labels)
        label = f"score {strength:.2f}{', hallucinated' if true else ''}"
        pieces.append(Segment(text[start:end], label, strength=strength))
        at = end
    if at < len(text):
        pieces.append(Segment(text[at:]))
    prompt = tuple((Segment(line),) for line in each.response.prompt.splitlines())
    return (*prompt, (Segment("> "), *pieces))


def _facts(facts: Mapping[str, str]) -> Table:
    return Table(("what", "which"), tuple(facts.items()), frozenset({0, 1}))
