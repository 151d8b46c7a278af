"""A page to review an extraction by: every value leads to its evidence, marked in the documents' own text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.extraction.company import Document
from harness.extraction.result import CompanyResult, FacilityResult, Value
from harness.extraction.schema.fields import FIELDS
from harness.render.numbers import several
from harness.render.sections import Bullets, Link, Marked, Page, Paragraph, Section, Segment
from harness.render.tables import Table

AROUND_LINES = 40
"""Lines of a document that are shown before and after each mark; the rest is left out, and said to be."""

_LEFT = frozenset(range(6))


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a file that is evidence: characters [start, end), the anchor, and for which values."""

    start: int
    end: int
    anchor: str
    labels: tuple[str, ...]
    strength: float


def review_page(result: CompanyResult, origin: str) -> Page:
    """The page of one company. `origin` says where its figures come from."""
    marks = evidence_marks(result)
    anchors = {(name, mark.start, mark.end): mark.anchor for name, each in marks.items() for mark in each}
    sections = [
        Section(f"Facility: {each.facility.name or 'unnamed'}", (_values(result, each, anchors),))
        for each in result.facilities
    ]
    if not sections:
        sections = [Section("Facilities", (Paragraph("No facility was found."),))]
    sections.append(Section("Calls and tokens", (_costs(result, origin),)))
    if result.notes:
        sections.append(Section("Notes", (Bullets(result.notes),)))
    sections += [
        Section(f"Document: {document.name}", (Marked(tuple(marked_lines(document, marks[document.name]))),))
        for document in result.company.documents
        if document.name in marks
    ]
    return Page(f"Extraction: {result.company.name}", _lede(result), tuple(sections), "Extraction review")


def _lede(result: CompanyResult) -> str:
    values = [value for each in result.facilities for value in each.values.values()]
    found = sum(value.status == "FOUND" for value in values)
    conflicts = sum(value.status == "CONFLICT" for value in values)
    grounded = sum(value.evidence is not None for value in values)
    return (
        f"{several(len(result.facilities), 'facility', 'facilities')}, {found:,} values found, {grounded:,} "
        f"with evidence in the text, {several(conflicts, 'conflict')}; {several(result.calls, 'call')}"
    )


def _values(result: CompanyResult, each: FacilityResult, anchors: dict[tuple[str, int, int], str]) -> Table:
    rows = []
    for key, field in FIELDS.items():
        value = each.values.get(key)
        if value is None:
            continue
        others = " | ".join(other.value for other in value.others)
        has_value = value.status in ("FOUND", "CONFLICT")
        rows.append(
            (
                field.name,
                value.status,
                value.value,
                _where(result, value, anchors),
                value.quote,
                others,
                f"{value.confidence:.2f}" if has_value else "-",
            )
        )
    head = ("field", "status", "value", "where", "evidence", "others", "confidence")
    return Table(head, tuple(rows), _LEFT)


def _where(result: CompanyResult, value: Value, anchors: dict[tuple[str, int, int], str]) -> str:
    if value.evidence is None:
        return "not in the text" if value.value else ""
    place = result.company.place(value.evidence.start, value.evidence.end)
    if place is None:
        return "across files"
    return Link(f"{place.file}, page {place.page}", anchors[place.file, place.start, place.end])


def _costs(result: CompanyResult, origin: str) -> Table:
    head = ("stage", "calls", "asked again", "prompt tokens", "shared prefix", "answer tokens", "provenance")
    rows = tuple(
        (
            cost.stage,
            f"{cost.calls:,}",
            f"{cost.asked_again:,}",
            f"{cost.prompt_tokens:,}",
            f"{cost.shared_prompt_tokens:,}",
            f"{cost.completion_tokens:,}",
            origin,
        )
        for cost in result.costs
    )
    return Table(head, rows, frozenset({0, 6}))


def evidence_marks(result: CompanyResult) -> dict[str, list[Mark]]:
    """The stretches of each file that are evidence, in their order; equal ones are one mark."""
    found: dict[str, dict[tuple[int, int], list[tuple[str, float]]]] = {}
    for each in result.facilities:
        for value in each.values.values():
            if value.evidence is None:
                continue
            place = result.company.place(value.evidence.start, value.evidence.end)
            if place is not None:
                label = f"{each.facility.name}: {FIELDS[value.field].name} = {value.value}".lstrip(": ")
                spans = found.setdefault(place.file, {})
                spans.setdefault((place.start, place.end), []).append((label, value.confidence))
    files = {name: number for number, name in enumerate(sorted(found))}
    return {
        name: [
            Mark(
                start,
                end,
                f"e{files[name]}-{start}-{end}",
                tuple(dict.fromkeys(label for label, _ in values)),
                max(confidence for _, confidence in values),
            )
            for (start, end), values in sorted(spans.items())
        ]
        for name, spans in found.items()
    }


def marked_lines(document: Document, marks: Sequence[Mark]) -> Iterator[tuple[Segment, ...]]:
    """The document's lines with the marks in them, only those near a mark.

    A mark over several lines is one in each of them; where marks overlap, the later one begins where the
    earlier one ends, and the anchor stands where it begins.
    """
    starts = [0]
    for line in document.text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = list(pairwise(starts))
    near = _near(lines, marks)
    left_out = 0
    for number, (begin, end) in enumerate(lines):
        if number not in near:
            left_out += 1
            continue
        if left_out:
            yield (Segment(f"... {several(left_out, 'line')} without evidence ..."),)
            left_out = 0
        yield tuple(_segments(document.text, begin, end, marks))
    if left_out:
        yield (Segment(f"... {several(left_out, 'line')} without evidence ..."),)


def _near(lines: Sequence[tuple[int, int]], marks: Sequence[Mark]) -> set[int]:
    near: set[int] = set()
    begins = [begin for begin, _ in lines]
    for mark in marks:
        first, last = bisect_right(begins, mark.start) - 1, bisect_left(begins, mark.end) - 1
        near.update(range(max(0, first - AROUND_LINES), last + AROUND_LINES + 1))
    return near


def _segments(text: str, begin: int, end: int, marks: Sequence[Mark]) -> Iterator[Segment]:
    at = begin
    for mark in marks:
        first, last = max(mark.start, at), min(mark.end, end)
        if first >= last:
            # hidden below an earlier mark: its link still leads here
            if begin <= mark.start < end:
                yield Segment("", "; ".join(mark.labels), mark.anchor, mark.strength)
            continue
        if first > at:
            yield Segment(text[at:first].rstrip("\r\n"))
        anchor = mark.anchor if begin <= mark.start < end else ""
        yield Segment(text[first:last].rstrip("\r\n"), "; ".join(mark.labels), anchor, mark.strength)
        at = last
    if at < end:
        yield Segment(text[at:end].rstrip("\r\n"))
