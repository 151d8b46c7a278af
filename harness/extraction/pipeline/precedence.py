"""Which of a company's documents overrules which: a later amendment the texts before it."""

from __future__ import annotations

import re

from harness.extraction.company import Document

_AMENDS = re.compile(
    r"\b(amend(?:ment|ing|s|ed)?|waiver|supplement(?:al|ary)?|restate(?:ment|d)|variation"
    r"|avenant|nachtrag|novaci[oó]n|modificaci[oó]n|aditamento|wijziging)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:\d{1,2}\s+)?([A-Z][a-z]{2,8})\s+(?:\d{1,2},\s+)?((?:19|20)\d{2})\b|\b((?:19|20)\d{2})-(\d{2})\b"
)
_NUMBER = re.compile(
    r"\b(first|second|third|fourth|fifth|sixth)\b|\b(?:no\.?|number|nr\.?|#)\s*(\d{1,2})\b", re.IGNORECASE
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TITLE_CHARACTERS = 240
_HEAD_CHARACTERS = 1500

Rank = tuple[int, int, int]
"""Greater overrules: (is it an amendment, year and month of its first date, its number)."""

ORDINARY: Rank = (0, 0, 0)


def rank(document: Document) -> Rank:
    """Told from the file's name and the beginning of its text; ORDINARY for what amends nothing.

    Only the title decides whether it amends: an agreement "as amended from time to time" does not.
    """
    name = re.sub(r"[_\W]+", " ", document.name)
    title = document.text.lstrip()[:_TITLE_CHARACTERS].split("\n\n", 1)[0]
    if not (_AMENDS.search(name) or _AMENDS.search(title)):
        return ORDINARY
    return 1, _month(document.text[:_HEAD_CHARACTERS]), _number(f"{name}\n{title}")


def _month(text: str) -> int:
    """Months since year 0 of the first date, 0 without one."""
    for match in _DATE.finditer(text):
        word, year, iso_year, iso_month = match.groups()
        if iso_year:
            return 12 * int(iso_year) + int(iso_month)
        if word[:3].lower() in _MONTHS:
            return 12 * int(year) + 1 + _MONTHS.index(word[:3].lower())
    return 0


def _number(text: str) -> int:
    match = _NUMBER.search(text)
    if match is None:
        return 0
    word, digits = match.groups()
    return int(digits) if digits else 1 + _ORDINALS.index(word.lower())
