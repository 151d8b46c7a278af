"""Dates, years and months in their one form. A date is a month of a year: MM/YYYY."""

from __future__ import annotations

import re
import unicodedata

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
# of the languages that contracts come in, where they differ from English
_OTHER_MONTHS = {
    "januar": 1, "januari": 1, "enero": 1, "janvier": 1, "gennaio": 1, "janeiro": 1, "februar": 2,
    "februari": 2, "febrero": 2, "fevrier": 2, "février": 2, "märz": 3, "maart": 3, "marzo": 3, "mars": 3,
    "abril": 4, "avril": 4, "mai": 5, "mei": 5, "mayo": 5, "maggio": 5, "juni": 6, "junio": 6, "juin": 6,
    "juli": 7, "julio": 7, "juillet": 7, "agosto": 8, "août": 8, "augustus": 8, "septiembre": 9,
    "septembre": 9, "oktober": 10, "octubre": 10, "octobre": 10, "noviembre": 11, "novembre": 11,
    "dezember": 12, "diciembre": 12, "décembre": 12, "marco": 3, "março": 3, "maio": 5,
    "junho": 6, "julho": 7, "setembro": 9, "outubro": 10, "novembro": 11, "dezembro": 12, "fevereiro": 2,
    "settembre": 9, "ottobre": 10, "dicembre": 12, "aprile": 4, "giugno": 6, "luglio": 7, "febbraio": 2,
    "stycznia": 1, "lutego": 2, "marca": 3, "kwietnia": 4, "maja": 5, "czerwca": 6, "lipca": 7,
    "sierpnia": 8, "września": 9, "października": 10, "listopada": 11, "grudnia": 12, "aout": 8,
}  # fmt: skip
_MONTH_NUMBERS = {
    **{name: number for number, name in enumerate(_MONTHS, 1)},
    **{name[:3]: number for number, name in enumerate(_MONTHS, 1)},
    "sept": 9,
    **_OTHER_MONTHS,
}
_FORMS = (
    re.compile(
        r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})"
        r"(?:[-/.]\d{1,2}(?:[t ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?z?)?)?"
    ),
    re.compile(r"(?P<month>\d{1,2})[-/.](?P<year>\d{4})"),
    re.compile(r"(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.](?P<year>\d{4})"),
    re.compile(
        r"(?:\d{1,2}(?:st|nd|rd|th|er|\.)?[\s-]+(?:day\s+)?(?:of\s+|de\s+)?)?(?P<name>[^\W\d_]+)\.?,?[\s-]+(?:de\s+)?(?P<year>\d{4})"
    ),
    re.compile(r"(?P<name>[^\W\d]+)\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})"),
)
_YEAR = re.compile(r"\d{4}")


def canonical_date(text: str) -> str | None:
    """MM/YYYY of a date in any usual form, the day left out; None for a month that is none.

    Of 03/04/2025 the first number is the day, as contracts of the continent have it; of 03/31/2025 it is not.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip(" .,")
    for form in _FORMS:
        found = form.fullmatch(plain)
        if found:
            parts = found.groupdict()
            month = _MONTH_NUMBERS.get(parts["name"]) if parts.get("name") else int(parts["month"])
            day = int(parts.get("day") or 1)
            if month is not None and month > 12 >= day and "day" in parts:
                month, day = day, month
            if month is None or not (1 <= month <= 12 and 1 <= day <= 31):
                return None
            return f"{month:02}/{parts['year']}" if 1900 <= int(parts["year"]) <= 2199 else None
    return None


def canonical_year(text: str) -> str | None:
    """YYYY; of a date its year."""
    plain = text.strip(" .,")
    if _YEAR.fullmatch(plain):
        return plain if 1900 <= int(plain) <= 2199 else None
    date = canonical_date(plain)
    return date[3:] if date else None


def canonical_month(text: str) -> str | None:
    """MM of a month by number or name; of a date its month."""
    plain = text.casefold().strip(" .,")
    number = int(plain) if plain.isdecimal() and len(plain) <= 2 else _MONTH_NUMBERS.get(plain)
    if number is not None:
        return f"{number:02}" if 1 <= number <= 12 else None
    date = canonical_date(plain)
    return date[:2] if date else None
