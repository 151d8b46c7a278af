"""The one form of a value of each kind. Two values are the same when their forms are; nothing else counts.

That a text is part of another says nothing: 2.5 is not 12.5, a loan of 250,000 is not one of 250,000,000, and
"Term loan" is not "Term loan B".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from harness.extraction.schema.fields import Field, Kind
from harness.extraction.values.currencies import canonical_currency, named_currency
from harness.extraction.values.dates import canonical_date, canonical_month, canonical_year
from harness.extraction.values.numbers import canonical_amount, canonical_percent, canonical_ratio
from harness.extraction.values.schedules import canonical_schedule
from harness.extraction.values.words import (
    canonical_benchmark,
    canonical_country,
    canonical_facility_name,
    canonical_nace,
    canonical_name,
    canonical_text,
)

_YES = frozenset("yes y true x applicable linked present required included ja oui si sí sim tak".split())
_NO = frozenset(
    [
        "no",
        "n",
        "false",
        "none",
        "absent",
        "not required",
        "nein",
        "non",
        "nee",
        "nie",
        "não",
    ]
)
_NO_VALUE = frozenset(
    ["n/a", "na", "not applicable", "not specified", "not stated", "not available", "unknown", "none", "null",
     "nil", "tbd", "tbc", "not extracted", "not found", "possibly present", "extraction error",
     "conflict", "found"]
)  # fmt: skip
_TENOR = re.compile(r"(\d{1,3})\s*[- ]?\s*(d|day|days|w|week|weeks|m|month|months|y|year|years)")
_FOOTNOTE_MARKS = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]")
"""Small raised digits, which NFKC makes part of the number before them."""
_NUMBERS = {
    "one": "1", "two": "2", "three": "3", "six": "6", "nine": "9", "twelve": "12", "four": "4", "five": "5",
}  # fmt: skip


def canonical(field: Field, text: str) -> str | None:
    """The one form of a value of this field, None when the text is none.

    Amounts are thousands, percentages and ratios plain decimals, dates MM/YYYY, months MM, currencies ISO
    codes, tenors such as 6M, names and texts lower case in single blanks.
    """
    if field.kind not in _PROSE:
        text = _FOOTNOTE_MARKS.sub("", text)
    # in a list each line is an entry
    lines = [" ".join(line.split()) for line in unicodedata.normalize("NFKC", text).splitlines()]
    plain = (";" if field.kind == "schedule" else " ").join(filter(None, lines))
    if not plain or (field.kind not in _WITH_WORDS_OF_THEIR_OWN and _is_no_value(plain)):
        return None
    return _FORMS[field.kind](field, plain)


def same(field: Field, a: str, b: str) -> bool:
    """Whether two texts give the same value; never when one of them is no value of this field.

    Amounts in two different currencies differ, though both have the same form.
    """
    first = canonical(field, a)
    if first is None or first != canonical(field, b):
        return False
    if field.kind != "amount":
        return True
    one, other = named_currency(a), named_currency(b)
    return one is None or other is None or one == other


def _is_no_value(plain: str) -> bool:
    """Whether it is a word for nothing, such as the status words."""
    return " ".join(plain.casefold().replace("_", " ").strip(" .()[]<>-").split()) in _NO_VALUE


def problem(field: Field, text: str) -> str:
    """What is wrong with a value, for asking again; empty when nothing is."""
    if canonical(field, text) is not None:
        return ""
    wanted = f"one of {', '.join(field.choices)}" if field.choices else _WANTED[field.kind]
    return f"{field.name}: {text!r} is not {wanted}"


def _yes_no(_field: Field, text: str) -> str | None:
    plain = text.casefold().strip(" .")
    # a reason in brackets or after a comma changes nothing: "Yes, by swaps"
    first = re.split(r"\s*[,;(:]", plain)[0].strip(" .")
    return "Yes" if {plain, first} & _YES else "No" if {plain, first} & _NO else None


def _choice(field: Field, text: str) -> str | None:
    plain = _singular(text)
    return next((each for each in field.choices if _singular(each) == plain), None)


def _singular(text: str) -> str:
    return " ".join(word.removesuffix("s") for word in (canonical_text(text) or "").split())


def _tenor(_field: Field, text: str) -> str | None:
    plain = text.casefold().strip(" .")
    for word, digits in _NUMBERS.items():
        plain = re.sub(rf"\b{word}\b", digits, plain)
    if plain in ("on", "o/n", "overnight"):
        return "ON"
    found = _TENOR.fullmatch(plain)
    if not found:
        return None
    count, unit = int(found[1]), found[2][0].upper()
    return f"{count * 12}M" if unit == "Y" else f"{count}{unit}"


_FORMS: Mapping[Kind, Callable[[Field, str], str | None]] = {
    "name": lambda _, text: canonical_name(text),
    "text": lambda _, text: canonical_text(text),
    "currency": lambda _, text: canonical_currency(text),
    "amount": lambda _, text: canonical_amount(text),
    "percent": lambda _, text: canonical_percent(text),
    "ratio": lambda _, text: canonical_ratio(text),
    "month": lambda _, text: canonical_date(text),
    "year": lambda _, text: canonical_year(text),
    "month_of_year": lambda _, text: canonical_month(text),
    "facility_name": lambda _, text: canonical_facility_name(text),
    "term": lambda _, text: canonical_text(text),
    "country": lambda _, text: canonical_country(text),
    "nace": lambda _, text: canonical_nace(text),
    "benchmark": lambda _, text: canonical_benchmark(text),
    "yes_no": _yes_no,
    "choice": _choice,
    "tenor": _tenor,
    "schedule": lambda _, text: canonical_schedule(text),
}
_PROSE: frozenset[Kind] = frozenset(["name", "text", "term", "facility_name", "country"])
_WITH_WORDS_OF_THEIR_OWN: frozenset[Kind] = frozenset(["yes_no", "percent"])
"""Kinds for which some of the words for nothing are values: No, and zero."""
_WANTED: Mapping[Kind, str] = {
    "name": "a name",
    "text": "a text",
    "currency": "a currency code",
    "amount": "an amount of money",
    "percent": "a percentage",
    "ratio": "a ratio such as 1.20x",
    "month": "a month of a year",
    "year": "a year",
    "month_of_year": "a month",
    "facility_name": "a name",
    "term": "an expression",
    "country": "a country",
    "nace": "an activity code",
    "benchmark": "a reference rate",
    "yes_no": "Yes or No",
    "choice": "one of the choices",
    "tenor": "a tenor such as 6M",
    "schedule": "dates with percentages such as 06/2027: 2.5",
}
