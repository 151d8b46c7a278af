"""To whom a value belongs: the facilities of a company under one name each, and the deal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.extraction.asks import Facility, Found
from harness.extraction.pipeline.demand import Unit
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL

_WORD = re.compile(r"\w+")
_EVERYWHERE = frozenset({"the", "facility", "facilities", "loan", "loans", "a", "an", "of", "agreement"})


def units(fields: Sequence[str], facilities: Sequence[Facility]) -> list[Unit]:
    """What is to be found: fields of the deal once, others for each facility."""
    found: list[Unit] = []
    for field in fields:
        if FIELDS[field].scope == "deal":
            found.append(Unit(DEAL, field))
        else:
            found += [Unit(facility.name, field) for facility in facilities]
    return found


def unit_of(found: Found, facilities: Sequence[Facility]) -> Unit | None:
    """What a value is of; None when several facilities were named and it tells none of them."""
    if FIELDS[found.field].scope == "deal":
        return Unit(DEAL, found.field)
    if len(facilities) == 1 and not found.facility:
        return Unit(facilities[0].name, found.field)
    for facility in facilities:
        if facility.name == found.facility:
            return Unit(facility.name, found.field)
    alike = [each for each in facilities if _words(each.name) == _words(found.facility)]
    return Unit(alike[0].name, found.field) if len(alike) == 1 else None


def distinct(facilities: Sequence[Facility]) -> tuple[Facility, ...]:
    """Each facility once, under the first name it was detected by, with what any detection told of it."""
    kept: list[Facility] = []
    for facility in facilities:
        if not facility.name.strip():
            continue
        for number, other in enumerate(kept):
            if _is_same(other, facility):
                kept[number] = Facility(
                    other.name, other.type or facility.type, other.amount or facility.amount
                )
                break
        else:
            kept.append(facility)
    return tuple(kept)


def _is_same(one: Facility, two: Facility) -> bool:
    """Equal names but for words that every facility has, or one name within the other and equal amounts."""
    first, second = _words(one.name), _words(two.name)
    if first == second:
        return True
    within = first <= second or second <= first
    amounts = _digits(one.amount), _digits(two.amount)
    return within and bool(amounts[0]) and amounts[0] == amounts[1]


def _words(name: str) -> frozenset[str]:
    words = [word.lower() for word in _WORD.findall(name)]
    # "Facility A" is told by its letter
    telling = [
        word for number, word in enumerate(words) if word not in _EVERYWHERE or (word == "a" and number > 0)
    ]
    return frozenset(telling or words)


def _digits(amount: str) -> str:
    return "".join(re.findall(r"\d", amount))
