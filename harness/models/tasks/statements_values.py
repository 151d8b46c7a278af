"""Values, names and terms of loan documents by chance. Words of HELD_NAMES are in held-out names alone."""

from __future__ import annotations

import random

from harness.models.example import Split
from harness.models.tasks import names
from harness.models.tasks.fields_values import HELD_NAMES, MONTHS
from harness.models.tasks.statements_wording import TEXTS, Thing

_HELD = frozenset(HELD_NAMES)
_SMALL = frozenset("a an and of on or for from in the to under over by".split())
_INVENTED_TERM_SHARE = 0.2


def value(r: random.Random, split: Split, thing: Thing) -> str:
    """A value of the thing, as a line may give it."""
    if thing.kind == "term":
        if split == "train" and r.random() < _INVENTED_TERM_SHARE:
            return " ".join(_any_word(r) for _ in range(r.randint(1, 3)))
        return r.choice(thing.values)
    if thing.kind == "text":
        if split == "train" and r.random() < 0.4:
            opening = r.choice(
                ("in", "by", "as", "upon", "on", "against", "not", "with", "at", "pro rata with")
            )
            return " ".join([opening, *(_any_word(r) for _ in range(r.randint(2, 8)))])
        return r.choice(thing.values)
    if thing.code == "readydate" and r.random() < 0.4:
        return str(r.randint(2005, 2045))
    return of_kind(r, split, thing.kind)


def foreign(r: random.Random, split: Split, thing: Thing) -> str:
    """A value as German, Spanish and French texts write it."""
    if thing.kind in ("percent", "ratio"):
        shown = f"{r.uniform(0, 9.99):.2f}".replace(".", ",")
        return shown + (r.choice(("x", "", ":1")) if thing.kind == "ratio" else r.choice(("%", " %")))
    if thing.kind == "amount":
        whole = f"{r.randint(1, 900)}{r.choice('.  ')}{r.randint(0, 9)}00{r.choice('.  ')}000"
        return f"{r.choice(('EUR', 'USD', 'GBP', '€'))} {whole}"
    if thing.kind == "date":
        day, year, month = r.randint(1, 31), r.randint(2000, 2060), r.randrange(12)
        language, between, dot = r.choice((("de", " ", "."), ("es", " de ", ""), ("fr", " ", "")))
        return f"{day}{dot}{between}{TEXTS[f'months_{language}'][month]}{between}{year}"
    return value(r, split, thing)


def of_kind(r: random.Random, split: Split, kind: str) -> str:
    """A value of this kind."""
    if kind == "party":
        return company(r, split)
    if kind == "name":
        return _senior(r, split)
    if kind == "percent":
        return _percent(r)
    if kind == "ratio":
        return r.choice(("{}x", "{} times", "{}:1", "{}:1.00", "{} to 1", "{}")).format(
            f"{r.uniform(1, 9):.2f}"
        )
    if kind == "amount":
        return _amount(r)
    if kind == "date":
        return _date(r)
    if kind == "tenor":
        count, word = r.choice(((1, "one"), (2, "two"), (3, "three"), (6, "six"), (12, "twelve")))
        return f"{r.choice((str(count), word))} month{'s' if count > 1 else ''}"
    if kind == "nace":
        return f"{r.choice('ABCDEFGHJKLMNPQ')}{r.randint(10, 99)}.{r.randint(0, 99):02}"
    if kind == "country":
        return r.choice(TEXTS["countries"]) if r.random() < 0.8 else _name(r, split)
    if kind == "benchmark":
        return (
            r.choice(TEXTS["benchmarks"])
            if r.random() < 0.8
            else "".join(r.choices("ABCDEFGHIJKLMNOPRSTU", k=r.randint(3, 5))) + "OR"
        )
    if kind == "currency":
        return r.choice(TEXTS["currencies"])
    return ""


def facilities(r: random.Random, split: Split) -> list[str]:
    """Names of one to five facilities, often of one pattern."""
    count, head = r.randint(1, 5), r.choice(TEXTS["facility_heads"])
    pattern = r.random()
    if pattern < 0.45:
        signs = r.choice(("12345", "ABCDE", ("I", "II", "III", "IV", "V"), ("A1", "A2", "B1", "B2", "C")))
        first = f"{_facility_word(r, split)} " if r.random() < 0.3 else ""
        return [f"{first}{head} {sign}" for sign in signs[:count]]
    found = []
    for _ in range(count):
        words = [_facility_word(r, split) for _ in range(r.choice((1, 1, 2)))]
        found.append(" ".join([*words, head if pattern < 0.85 else r.choice(TEXTS["facility_heads"])]))
    return found


def company(r: random.Random, split: Split) -> str:
    """A company's name."""
    words = [_name(r, split)]
    if r.random() < 0.2:
        words.append(_name(r, split))
    if r.random() < 0.75:
        words.append(r.choice(TEXTS["company_activities"]))
    if r.random() < 0.5 or len(words) == 1:
        words.append(r.choice(TEXTS["company_endings"]))
    return " ".join(words)


def term(r: random.Random) -> str:
    """A defined term that stands for a value."""
    return f"{r.choice(TEXTS['term_words'])} {r.choice(TEXTS['term_nouns'])} {r.randint(1, 250)}"


def clause(r: random.Random) -> str:
    """The number of a clause."""
    return f"{r.randint(1, 40)}.{r.randint(1, 20)}"


def number(r: random.Random) -> str:
    """A bare number."""
    return r.choice((f"{r.uniform(0.3, 9.9):.2f}", f"{r.uniform(0.3, 99):.1f}", str(r.randint(1, 900))))


def table_row(r: random.Random) -> str:
    """A row of a schedule."""
    return f"{_date(r)}\t{_share(r)}%"


def cased(r: random.Random, text: str) -> str:
    """As it is, or as a Defined Term."""
    chance = r.random()
    return titled(text) if chance < 0.45 else text.upper() if chance > 0.97 else text


def titled(text: str) -> str:
    """With capitals, small words left small."""
    return " ".join(w if w in _SMALL and n else w[:1].upper() + w[1:] for n, w in enumerate(text.split(" ")))


def _facility_word(r: random.Random, split: Split) -> str:
    if split == "train":
        return r.choice(TEXTS["facility_words"]) if r.random() < 0.65 else _name(r, split)
    return r.choice(HELD_NAMES)


def _name(r: random.Random, split: Split) -> str:
    return names.proper_name(r, _HELD) if split == "train" else r.choice(HELD_NAMES)


def _senior(r: random.Random, split: Split) -> str:
    if r.random() < 0.6:
        return r.choice(TEXTS["senior_names"])
    words = [r.choice(("Senior", "First", "Secured", _name(r, split))), r.choice(TEXTS["facility_words"])]
    return " ".join([*words, r.choice(("Debt", "Loans", "Facilities", "Facility", "Financing", "Credits"))])


def _any_word(r: random.Random) -> str:
    return r.choice(TEXTS["any_words"]) if r.random() < 0.35 else names.word(r, 1, 2)


def _share(r: random.Random) -> str:
    return (
        str(r.randint(1, 100))
        if r.random() < 0.5
        else f"{r.randint(1, 99)}.{r.choice(('00', '50', '25', '5'))}"
    )


def _percent(r: random.Random) -> str:
    if r.random() < 0.2:
        return f"{r.randint(1, 900)} basis points"
    shown = _share(r) if r.random() < 0.4 else f"{r.uniform(0, 9.99):.2f}"
    return shown + r.choice(("%", "%", " %", " per cent", " per cent", " percent"))


def _amount(r: random.Random) -> str:
    code, sign = r.choice((("EUR", "€"), ("USD", "$"), ("GBP", "£"), ("CHF", "CHF "), ("NOK", "NOK ")))
    millions = r.choice((r.randint(1, 900), r.randint(10, 999) / 10, r.randint(100, 9999) / 100))
    full = f"{round(millions * 1e6):,}"
    form = r.random()
    if form < 0.35:
        return f"{code} {full}"
    if form < 0.6:
        return f"{sign}{full}"
    if form < 0.9:
        return f"{code} {millions:g} million"
    return r.choice(
        (f"{code} {full.replace(',', '.')}", f"{code} {millions:g}m", f"{sign}{millions:g} million")
    )


def _date(r: random.Random) -> str:
    year, month, day = r.randint(2000, 2060), r.randint(1, 12), r.randint(1, 31)
    name = MONTHS[month - 1]
    return r.choice(
        (
            f"{day} {name} {year}",
            f"{day} {name} {year}",
            f"{day:02}.{month:02}.{year}",
            f"{year}-{month:02}-{day:02}",
            f"{name} {year}",
            f"{day:02}/{month:02}/{year}",
            f"{name} {day}, {year}",
        )
    )
