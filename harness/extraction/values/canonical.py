"""The one form of a value of each kind. Two values are the same when their forms are; nothing else counts.

That a text is part of another says nothing: 2.5 is not 12.5, a loan of 250,000 is not one of 250,000,000, and
"Term loan" is not "Term loan B".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from harness.extraction.schema.fields import Field, Kind
from harness.extraction.values.dates import canonical_date, canonical_month, canonical_year
from harness.extraction.values.numbers import canonical_amount, canonical_percent, canonical_ratio
from harness.extraction.values.schedules import canonical_schedule

_YES = frozenset("yes y true x applicable linked present required included".split())
_NO = frozenset(["no", "n", "false", "none", "not applicable", "n/a", "absent", "not required"])
_CURRENCIES = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "sterling": "GBP", "pound sterling": "GBP",
    "pounds sterling": "GBP", "$": "USD", "us dollar": "USD", "us dollars": "USD", "dollars": "USD",
    "us$": "USD", "swiss francs": "CHF", "swiss franc": "CHF", "danish kroner": "DKK",
    "swedish kronor": "SEK", "norwegian kroner": "NOK", "polish zloty": "PLN", "zloty": "PLN",
}  # fmt: skip
_CODE = re.compile(r"[A-Z]{3}")
_TENOR = re.compile(r"(\d{1,3})\s*[- ]?\s*(d|day|days|w|week|weeks|m|month|months|y|year|years)")
_LEGAL_FORMS = re.compile(
    r"\b(?:b\.?v\.?|n\.?v\.?|s\.?a\.?|s\.?p\.?a\.?|gmbh|ag|ltd|limited|llc|l\.?p\.?|plc|inc|s\.?l\.?|a\.?s\.?|oy)\.?$"
)
_NUMBERS = {
    "one": "1", "two": "2", "three": "3", "six": "6", "nine": "9", "twelve": "12", "four": "4", "five": "5",
}  # fmt: skip


def canonical(field: Field, text: str) -> str | None:
    """The one form of a value of this field, None when the text is none.

    Amounts are thousands, percentages and ratios plain decimals, dates MM/YYYY, months MM, currencies ISO
    codes, tenors such as 6M, names and texts lower case in single blanks.
    """
    # in a list each line is an entry
    lines = [" ".join(line.split()) for line in unicodedata.normalize("NFKC", text).splitlines()]
    plain = (";" if field.kind == "schedule" else " ").join(filter(None, lines))
    if not plain:
        return None
    return _FORMS[field.kind](field, plain)


def same(field: Field, a: str, b: str) -> bool:
    """Whether two texts give the same value; never when one of them is no value of this field."""
    first = canonical(field, a)
    return first is not None and first == canonical(field, b)


def problem(field: Field, text: str) -> str:
    """What is wrong with a value, for asking again; empty when nothing is."""
    if canonical(field, text) is not None:
        return ""
    wanted = f"one of {', '.join(field.choices)}" if field.choices else _WANTED[field.kind]
    return f"{field.name}: {text!r} is not {wanted}"


def _name(_field: Field, text: str) -> str | None:
    """Lower case without accents, outer punctuation and the legal form's dots; None without a letter."""
    plain = without_accents(text).casefold().strip(" .,;:\"'()[]")
    plain = re.sub(r"[\"'’`,()]", " ", plain).replace("&", " and ")
    plain = _LEGAL_FORMS.sub(lambda found: found.group().replace(".", ""), " ".join(plain.split()))
    return plain if any(character.isalnum() for character in plain) else None


def _text(_field: Field, text: str) -> str | None:
    plain = " ".join(re.sub(r"[^\w%./&-]+", " ", without_accents(text).casefold()).split()).strip(" ./-")
    return plain or None


def _currency(_field: Field, text: str) -> str | None:
    plain = text.strip(" .()")
    if _CODE.fullmatch(plain.upper()):
        return plain.upper()
    return _CURRENCIES.get(plain.casefold())


def _yes_no(_field: Field, text: str) -> str | None:
    plain = text.casefold().strip(" .")
    return "Yes" if plain in _YES else "No" if plain in _NO else None


def _choice(field: Field, text: str) -> str | None:
    plain = _text(field, text)
    return next((each for each in field.choices if _text(field, each) == plain), None)


def _tenor(_field: Field, text: str) -> str | None:
    plain = text.casefold().strip(" .")
    for word, digits in _NUMBERS.items():
        plain = re.sub(rf"\b{word}\b", digits, plain)
    found = _TENOR.fullmatch(plain)
    if not found:
        return None
    count, unit = int(found[1]), found[2][0].upper()
    return f"{count * 12}M" if unit == "Y" else f"{count}{unit}"


def without_accents(text: str) -> str:
    """Letters without marks."""
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


_FORMS: Mapping[Kind, Callable[[Field, str], str | None]] = {
    "name": _name,
    "text": _text,
    "currency": _currency,
    "amount": lambda _, text: canonical_amount(text),
    "percent": lambda _, text: canonical_percent(text),
    "ratio": lambda _, text: canonical_ratio(text),
    "date": lambda _, text: canonical_date(text),
    "year": lambda _, text: canonical_year(text),
    "month": lambda _, text: canonical_month(text),
    "yes_no": _yes_no,
    "choice": _choice,
    "tenor": _tenor,
    "schedule": lambda _, text: canonical_schedule(text),
}
_WANTED: Mapping[Kind, str] = {
    "name": "a name",
    "text": "a text",
    "currency": "a currency code",
    "amount": "an amount of money",
    "percent": "a percentage",
    "ratio": "a ratio such as 1.20x",
    "date": "a date",
    "year": "a year",
    "month": "a month",
    "yes_no": "Yes or No",
    "choice": "one of the choices",
    "tenor": "a tenor such as 6M",
    "schedule": "dates with percentages such as 06/2027: 2.5",
}
