"""Values of the fields as they stand in a passage: drawn for training, or from what training never shows.

Words: HELD_NAMES and HELD_MODIFIERS are the held-out splits' only source, and no name of training
contains one of them. Numbers: a value is reserved when the number that its digits spell, read from left
to right, leaves HELD_REMAINDER on division by HELD_MODULUS ("2.35 %" -> 235, "14 March 2031" -> 142031).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from harness.models.tasks import names
from harness.models.tasks.fields_wording import Field

HELD_MODULUS, HELD_REMAINDER = 7, 3


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HELD_NAMES = _list(
    "Norsand Vantia Oxbridge Helixon Quanterra Bluefin Zephyra Kestrel Omnitek Larkspur Mondavi Patagon "
    "Siltec Verdigo Wexford Ashdown Brightwell Calderon Dunmore Eastgate Fairholm Glenmark Harcourt "
    "Ironbridge Juniper Kingsley Lombard Meridian Northam Orchard Pembroke Quintero Redwood Stanhope "
    "Thornbury Underhill Valmont Whitmore Yarrow Zenith Albion Borealis Castello Dalgety Ellington "
    "Ferrante Granville Hartmann Ingleby Jansen Portugal Norway Estonia Chile Ghana Vietnam Croatia "
    "Uruguay Latvia Kenya Iceland Peru Malta Jordan Cyprus"
)
HELD_MODIFIERS = _list("tidal geothermal coastal hydrogen timber biogas fibre harbour nuclear copper")
HELD_BENCHMARKS = _list("TIBOR NIBOR SONIA ESTR STIBOR CIBOR SARON WIBOR")
MODIFIERS = _list("wind solar water rail road gas cargo health school waste data grain fish steel port")
BENCHMARK_ENDINGS = ("IBOR", "ONIA", "OR", "R")
LAW_ENDINGS = ("ish", "ian", "ese", "an", "ic")
HELD_LAWS = _list("Portuguese Norwegian Estonian Chilean Ghanaian Croatian Latvian Kenyan Icelandic Maltese")
MONTHS = _list("January February March April May June July August September October November December")
CURRENCIES = ("EUR", "USD", "GBP", "CHF")
_HELD_WORDS = frozenset(HELD_NAMES + HELD_LAWS)
_HELD_MODIFIERS = frozenset(name.capitalize() for name in HELD_MODIFIERS)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def value(r: random.Random, field: Field, is_held: bool) -> str:
    """A value of the field; from the reserved names and numbers when `is_held`, else never from them."""
    if field.kind == "party":
        return _party(r, field, is_held)
    if field.kind == "term":
        return _TERMS[field.key](r, field, is_held)
    draw = _NUMBERS[field.kind]
    while True:
        text = draw(r)
        if is_reserved(text) == is_held:
            return text


def is_reserved(text: str) -> bool:
    """Whether a numeric value belongs to the held-out splits by the rule of this module."""
    return int("".join(c for c in text if c.isdigit())) % HELD_MODULUS == HELD_REMAINDER


def held_words() -> frozenset[str]:
    """Every word that only the held-out splits may use in a value."""
    return _HELD_WORDS | frozenset(HELD_MODIFIERS + HELD_BENCHMARKS)


def _name(r: random.Random, is_held: bool) -> str:
    return r.choice(HELD_NAMES) if is_held else names.proper_name(r, _HELD_WORDS)


def _party(r: random.Random, field: Field, is_held: bool) -> str:
    first = _name(r, is_held)
    second = _name(r, is_held) if r.random() < 0.2 else ""
    return " ".join(part for part in (first, second, r.choice(field.endings)) if part)


def _country(r: random.Random, field: Field, is_held: bool) -> str:
    return f"{_name(r, is_held)} {r.choice(field.endings)}".rstrip()


def _sector(r: random.Random, field: Field, is_held: bool) -> str:
    if is_held:
        modifier = r.choice(HELD_MODIFIERS)
    elif r.random() < 0.4:
        modifier = r.choice(MODIFIERS)
    else:
        modifier = names.proper_name(r, _HELD_MODIFIERS).lower()
    return f"{modifier} {r.choice(field.endings)}"


def _law(r: random.Random, field: Field, is_held: bool) -> str:
    if is_held:
        return f"{r.choice(HELD_LAWS)} law"
    while True:
        demonym = names.proper_name(r, _HELD_WORDS, 1, 2) + r.choice(LAW_ENDINGS)
        if demonym not in _HELD_WORDS:
            return f"{demonym} law"


def _benchmark(r: random.Random, _: Field, is_held: bool) -> str:
    if is_held:
        return r.choice(HELD_BENCHMARKS)
    while True:
        text = "".join(r.choice(_LETTERS) for _ in range(r.randint(1, 4))) + r.choice(BENCHMARK_ENDINGS)
        if text not in HELD_BENCHMARKS:
            return text


def _money(r: random.Random) -> str:
    currency = r.choice(CURRENCIES)
    if r.random() < 0.5:
        return f"{currency} {r.randint(2, 950)} million"
    return f"{currency} {r.randint(1, 400)},{r.randint(0, 9)}00,000"


def _percent(r: random.Random) -> str:
    number = f"{r.randint(0, 9)}.{r.randint(1, 99):02d}" if r.random() < 0.6 else str(r.randint(1, 100))
    return number + r.choice((" %", " %", " per cent"))


def _ratio(r: random.Random) -> str:
    return f"{r.randint(1, 8)}.{r.randint(0, 99):02d}x"


def _duration(r: random.Random) -> str:
    unit, most = r.choice((("months", 60), ("years", 30), ("days", 360)))
    return f"{r.randint(2, most)} {unit}"


def _capacity(r: random.Random) -> str:
    return f"{r.randint(2, 980)} {r.choice(('MW', 'GWh', 'tonnes', 'beds'))}"


def _date(r: random.Random) -> str:
    return f"{r.randint(1, 28)} {r.choice(MONTHS)} {r.randint(2015, 2059)}"


_TERMS: dict[str, Callable[[random.Random, Field, bool], str]] = {
    "sector": _sector,
    "country": _country,
    "governing_law": _law,
    "base_rate": _benchmark,
}
_NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "money": _money,
    "percent": _percent,
    "ratio": _ratio,
    "duration": _duration,
    "capacity": _capacity,
    "date": _date,
}
