"""Which facility of a result is which of the truth: the best matching on names and amounts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.extraction.asks import Facility
from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import canonical

_WORD = re.compile(r"[^\W_]+")
_GENERIC = frozenset("the of under agreement facility facilities loan loans tranche credit".split())
_LONGEST_DESIGNATOR = 2
_SAME_NAME, _SHARED_WORDS, _NAMELESS = 100, 60, 5
_SAME_AMOUNT, _OTHER_AMOUNT = 50, -40


@dataclass(frozen=True, slots=True)
class Assignment:
    """Pairs (number among the found, number among the true), by the true; then those without a partner."""

    pairs: tuple[tuple[int, int], ...]
    extra: tuple[int, ...]
    missed: tuple[int, ...]


def match_facilities(found: Sequence[Facility], true: Sequence[Facility]) -> Assignment:
    """The one-to-one matching of the greatest total likeness (assignment problem; Kuhn 1955).

    Equal names weigh most, then equal amounts, then common words. Names with different letters or numbers
    ("Facility A", "Facility B") are a pair only if their amounts are equal, those with different amounts only
    if their names are. What is like none stays without a partner. The order of `found` does not matter,
    unless two of them are equal.
    """
    import numpy as np
    from scipy.optimize import (
        linear_sum_assignment,
    )  # half a second that reading a command line does not need

    rows, columns = _ordered(found), _ordered(true)
    if not rows or not columns:
        return Assignment((), tuple(range(len(found))), tuple(range(len(true))))
    shown, known = [_Name.of(found[row]) for row in rows], [_Name.of(true[column]) for column in columns]
    likeness = np.array([[max(0, _likeness(one, other)) for other in known] for one in shown])
    chosen = zip(*linear_sum_assignment(likeness, maximize=True), strict=True)
    pairs = [(rows[row], columns[column]) for row, column in chosen if likeness[row, column] > 0]
    taken = {row for row, _ in pairs}, {column for _, column in pairs}
    return Assignment(
        tuple(sorted(pairs, key=lambda pair: pair[1])),
        tuple(number for number in range(len(found)) if number not in taken[0]),
        tuple(number for number in range(len(true)) if number not in taken[1]),
    )


def _ordered(facilities: Sequence[Facility]) -> list[int]:
    """Their numbers in an order that is theirs alone, so that ties fall the same way."""
    key = [(each.name, each.type, each.amount) for each in facilities]
    return sorted(range(len(facilities)), key=lambda number: (key[number], number))


@dataclass(frozen=True)
class _Name:
    words: tuple[str, ...]
    amount: str | None

    @classmethod
    def of(cls, facility: Facility) -> _Name:
        """A facility's words in plain letters, and its amount in thousands where that can be read."""
        decomposed = unicodedata.normalize("NFKD", facility.name)
        plain = "".join(each for each in decomposed if not unicodedata.combining(each))
        return cls(tuple(_WORD.findall(plain.casefold())), canonical(FIELDS["credit_limit"], facility.amount))

    @cached_property
    def telling(self) -> Counter[str]:
        """The words that not every facility has."""
        return Counter(word for word in self.words if word not in _GENERIC)

    @cached_property
    def designators(self) -> Counter[str]:
        """Letters and numbers: the B of "Term Loan B"."""
        return Counter(
            {
                word: count
                for word, count in self.telling.items()
                if len(word) <= _LONGEST_DESIGNATOR or word.isdecimal()
            }
        )


def _likeness(one: _Name, other: _Name) -> int:
    known = one.amount is not None and other.amount is not None
    amount = 0 if not known else _SAME_AMOUNT if one.amount == other.amount else _OTHER_AMOUNT
    return _name_likeness(one, other) + amount


def _name_likeness(one: _Name, other: _Name) -> int:
    if one.words == other.words or (one.telling and one.telling == other.telling):
        return _SAME_NAME
    if one.designators and other.designators and one.designators != other.designators:
        return 0
    if not one.telling or not other.telling:
        return _NAMELESS
    common = (one.telling & other.telling).total()
    return 2 * _SHARED_WORDS * common // (one.telling.total() + other.telling.total())
