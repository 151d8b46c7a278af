"""What any pipeline must beat: nothing, regular expressions, and a perfect reader of chosen passages.

They need no model and no pipeline. A set of companies on which document order does not come out clearly below
the full text tells nothing about what to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company
from harness.extraction.corpus.patterns import matches
from harness.extraction.corpus.perfect import is_shown, values_shown
from harness.extraction.result import CompanyResult, FacilityResult, Value
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL, Truth

Chooser = Callable[[Company], Sequence[Passage]]
"""Which passages of a company are read."""
Windows = Callable[[Company], Sequence[Passage]]
"""A company's text in pieces, in order."""


def nothing_found(truth: Truth) -> CompanyResult:
    """No facility, no value."""
    return CompanyResult(truth.company, (), ())


def regular_expressions(truth: Truth) -> CompanyResult:
    """The first match of each field's pattern in a line with one of its keywords; see `patterns.matches`."""
    facilities, found = matches(truth.company)
    return _result(truth.company, facilities, found)


def read_by(truth: Truth, choose: Chooser) -> CompanyResult:
    """What a perfect reader finds in the chosen passages, told which facilities there are.

    Passages that touch are read as one.
    """
    passages = _joined(choose(truth.company))
    found: dict[tuple[str, str], tuple[str, Passage]] = {}
    for key, value in values_shown(truth, passages).items():
        spans = next(spans for spans in truth.values[key].spans if is_shown(spans, passages))
        found[key] = (value, spans[0])
    return _result(truth.company, truth.facilities, found)


def full_text(company: Company) -> tuple[Passage, ...]:
    """Everything: the upper limit."""
    return (Passage(0, len(company.text)),)


def in_document_order(windows: Windows, count: int) -> Chooser:
    """The first windows."""
    return lambda company: tuple(windows(company)[:count])


def at_random(windows: Windows, count: int, seed: int) -> Chooser:
    """So many windows by chance, the same for a company and a seed."""

    def choose(company: Company) -> Sequence[Passage]:
        pieces = list(windows(company))
        r = Random(f"random windows {seed} {company.digest}")
        return sorted(r.sample(pieces, min(count, len(pieces))))

    return choose


def _result(
    company: Company,
    facilities: Sequence[Facility],
    found: Mapping[tuple[str, str], tuple[str, Passage]],
) -> CompanyResult:
    """Every field of every facility; deal fields are every facility's."""
    rows = []
    for facility in facilities:
        values = {}
        for key, field in FIELDS.items():
            hit = found.get((DEAL if field.scope == "deal" else facility.name, key))
            if hit is None:
                values[key] = Value(key, "NOT_FOUND")
                continue
            value, span = hit
            values[key] = Value(key, "FOUND", value, 1.0, span, company.text[span.start : span.end])
        rows.append(FacilityResult(facility, values))
    return CompanyResult(company, tuple(rows), ())


def _joined(passages: Sequence[Passage]) -> list[Passage]:
    joined: list[Passage] = []
    for each in sorted(passages):
        if joined and each.start <= joined[-1].end:
            joined[-1] = Passage(joined[-1].start, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return joined
