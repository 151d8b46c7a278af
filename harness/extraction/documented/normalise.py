"""How the documented pipeline rewrites values by their kind, its faults included.

What it cannot read it leaves. Its faults: a step-up keeps its first number only, a share of something becomes
a plain percentage, "not specified" becomes No, month-first dates stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.extraction.schema.fields import Field

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_ISO = re.compile(r"(\d{4})-(\d{1,2})(?:-\d{1,2})?")
_DAY_FIRST = re.compile(r"(?:\d{1,2}[./-])?(\d{1,2})[./-](\d{4})")
_IN_WORDS = re.compile(r"(?:\d{1,2}(?:st|nd|rd|th)?\s+)?([a-z]{3,9})\.?,?\s+(\d{4})", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YES = frozenset({"yes", "y", "true", "si", "sí", "oui", "ja", "sim"})
_NO = frozenset({"no", "n", "false", "none", "not specified", "not mentioned", "non", "nein", "nee", "não"})


def normalised(field: Field, value: str) -> str:
    """The value in the documented form of its kind."""
    rewrite = _REWRITES.get(field.kind)
    text = " ".join(value.split())
    return text if rewrite is None else rewrite(text)


def _date(text: str) -> str:
    if match := _ISO.fullmatch(text):
        year, month = match.groups()
    elif match := _DAY_FIRST.fullmatch(text):
        month, year = match.groups()
    elif (match := _IN_WORDS.fullmatch(text)) and match.group(1)[:3].lower() in _MONTHS:
        month, year = str(1 + _MONTHS.index(match.group(1)[:3].lower())), match.group(2)
    else:
        return text
    return f"{int(month):02d}/{year}" if 1 <= int(month) <= 12 else text


def _percentage(text: str) -> str:
    number = _first_number(text)
    return text if number is None or "%" not in text else f"{number:.2f}%"


def _ratio(text: str) -> str:
    number = _first_number(text)
    return text if number is None else f"{number:.2f}x"


def _yes_or_no(text: str) -> str:
    word = text.lower().rstrip(".")
    return "Yes" if word in _YES else "No" if word in _NO else text


def _first_number(text: str) -> float | None:
    match = _NUMBER.search(text)
    return None if match is None else float(match.group().replace(",", "."))


_REWRITES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"month": _date, "year": _date, "percent": _percentage, "ratio": _ratio, "yes_no": _yes_or_no}
)
