"""How values are written: several usual forms for each, and the forms of other languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from harness.extraction.values.numbers import plain_decimal

MONTHS: Mapping[str, tuple[str, ...]] = {
    "en": tuple(
        "January February March April May June July August September October November December".split()
    ),
    "es": tuple(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
    ),
    "de": tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()),
    "fr": tuple(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
    ),
}
_SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}
CURRENCIES = {"EUR": ("EUR", "euro"), "GBP": ("GBP", "sterling"), "USD": ("USD", "US dollars")}
TENORS = {
    "1M": ("1 month", "one month"),
    "3M": ("3 months", "three months"),
    "6M": ("6 months", "six months"),
}


def amount(thousands: int, currency: str) -> tuple[str, ...]:
    """ "EUR 2,500,000", "€2,500,000", "EUR 2.5 million"."""
    full = f"{thousands * 1000:,}"
    millions = plain_decimal(Decimal(thousands) / 1000)
    return f"{currency} {full}", f"{_SIGNS[currency]}{full}", f"{currency} {millions} million"


def percent(number: Decimal) -> tuple[str, ...]:
    """ "2.35%", "2.35 per cent", and below 10 % also "235 basis points"."""
    shown = _places(number)
    points = number * 100
    small = (f"{points:.0f} basis points",) if 0 < number < 10 and points == int(points) else ()
    return f"{shown}%", f"{shown} per cent", *small


def ratio(number: Decimal) -> tuple[str, ...]:
    """ "1.15x", "1.15 times", "1.15:1"."""
    shown = _places(number)
    return f"{shown} times", f"{shown}x", f"{shown}:1"


def day(when: date) -> tuple[str, ...]:
    """ "30 June 2031", "30.06.2031", "2031-06-30"."""
    return f"{when.day} {MONTHS['en'][when.month - 1]} {when.year}", f"{when:%d.%m.%Y}", f"{when:%Y-%m-%d}"


def month(when: date) -> tuple[str, ...]:
    """ "June 2031"."""
    return (f"{MONTHS['en'][when.month - 1]} {when.year}",)


def schedule(rows: tuple[tuple[date, Decimal], ...]) -> str:
    """A table of dates and shares, a row for each."""
    return "\n".join(f"{day(when)[0]}\t{_places(share)}%" for when, share in rows)


def foreign_amount(thousands: int, currency: str, language: str) -> str:
    """With that language's separators."""
    mark = " " if language == "fr" else "."
    return f"{currency} {thousands * 1000:,}".replace(",", mark)


def foreign_number(number: Decimal, unit: str) -> str:
    """With a decimal comma."""
    return f"{_places(number).replace('.', ',')}{unit}"


def foreign_day(when: date, language: str) -> str:
    """ "30 de junio de 2031", "30. Juni 2031", "30 juin 2031"."""
    name = MONTHS[language][when.month - 1]
    between = {"es": " de ", "de": " ", "fr": " "}[language]
    dot = "." if language == "de" else ""
    return f"{when.day}{dot}{between}{name}{between}{when.year}"


def _places(number: Decimal) -> str:
    """Two decimals, none for a whole number of ten and more."""
    return f"{number:.0f}" if number == int(number) and number >= 10 else f"{number:.2f}"
