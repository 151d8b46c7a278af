"""Fields by regular expressions alone: what costs nothing and needs no model."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company
from harness.extraction.schema import FIELDS, Field, Kind
from harness.extraction.truth import DEAL
from harness.extraction.values import canonical

_FACILITY = re.compile(
    r"\b(?:(?:Facility|Tranche|Loan) (?:[A-Z]|\d)\b|(?:[A-Z][\w-]+ ){1,3}(?:Facility|Tranche|Loan)\b)"
)
_DATE = r"\b(?:\d{1,2}\.? (?:\w+ )?[A-Z]?\w+ (?:de )?\d{4}|\d{2}[./]\d{2}[./]\d{4}|\d{4}-\d{2}-\d{2})\b"
_AMOUNT = r"(?:\b[A-Z]{3} ?|[€£$])\d[\d.,]*(?: (?:million|thousand|billion))?"
_PATTERNS: Mapping[Kind, re.Pattern[str]] = {
    "percent": re.compile(r"\b\d+(?:[.,]\d+)? ?(?:%|per ?cent\b|basis points)"),
    "ratio": re.compile(r"\b\d+[.,]\d+ ?(?:x\b|times\b|: ?1)"),
    "amount": re.compile(_AMOUNT),
    "month": re.compile(_DATE),
    "year": re.compile(r"\b(?:19|20)\d{2}\b"),
    "month_of_year": re.compile(_DATE),
    "currency": re.compile(r"\b(?:EUR|GBP|USD|CHF|SEK|NOK|DKK|PLN)\b"),
    "tenor": re.compile(r"\b(?:\d{1,2}|one|two|three|six|twelve)[ -]months?\b", re.IGNORECASE),
    "benchmark": re.compile(r"\b(?:EURIBOR|SONIA|SOFR|LIBOR|STIBOR|NIBOR|CIBOR|WIBOR)\b"),
    "nace": re.compile(r"\b[A-U]\d{2}(?:\.\d{1,2}){0,2}\b"),
    "name": re.compile(r"\b(?:[A-Z][\w&-]+ )+[A-Z][\w&-]+"),
    "country": re.compile(r"(?<= in )[A-Z][a-z]+"),
}
_LEAST_MENTIONS = 2


def matches(
    company: Company,
) -> tuple[tuple[Facility, ...], dict[tuple[str, str], tuple[str, Passage]]]:
    """The facilities that are named at least twice, and for each (facility or deal, field) the first value
    of its kind after a keyword of the field in one line; a line is of the facility that it names. Yes means
    that a keyword is there at all."""
    text = company.text
    lines = [match.span() for match in re.finditer(r"[^\n]+", text)]
    named = Counter(match.group() for match in _FACILITY.finditer(text))
    names = [name for name, count in named.items() if count >= _LEAST_MENTIONS]
    owners = [next((name for name in names if name in text[start:end]), None) for start, end in lines]
    starts = [start for start, _ in lines]
    # the same length, so that an offset in it is one in the text
    lower = text.lower() if len(text.lower()) == len(text) else text
    found: dict[tuple[str, str], tuple[str, Passage]] = {}
    for field in FIELDS.values():
        for number, cue in _cues(field, lower, starts):
            owner = DEAL if field.scope == "deal" else owners[number]
            if owner is None or (owner, field.key) in found:
                continue
            hit = _hit(field, cue, text, lines[number])
            if hit is not None:
                found[owner, field.key] = hit
    return tuple(Facility(name) for name in names), found


def _cues(field: Field, lower: str, starts: Sequence[int]) -> list[tuple[int, Passage]]:
    """Number of each line with a keyword, and the first keyword in it."""
    first: dict[int, Passage] = {}
    for keyword in field.keywords:
        word = keyword.lower()
        at = lower.find(word)
        while at >= 0:
            number = bisect_right(starts, at) - 1
            span = Passage(at, at + len(word))
            first[number] = min(span, first.get(number, span))
            at = lower.find(word, at + len(word))
    return sorted(first.items())


def _hit(field: Field, cue: Passage, text: str, line: tuple[int, int]) -> tuple[str, Passage] | None:
    start, end = line
    if field.kind == "yes_no":
        return "Yes", cue
    if field.kind == "choice":
        content = text[start:end].lower()
        for choice in field.choices:
            at = content.find(choice.lower())
            if at >= 0:
                return choice, Passage(start + at, start + at + len(choice))
        return None
    pattern = _PATTERNS.get(field.kind)
    match = pattern.search(text, cue.end, end) if pattern else None
    value = canonical(field, match.group()) if match else None
    return (value, Passage(*match.span())) if match and value is not None else None
