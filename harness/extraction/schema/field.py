"""What one field is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "name",
    "facility_name",
    "term",
    "country",
    "nace",
    "benchmark",
    "tenor",
    "currency",
    "amount",
    "percent",
    "ratio",
    "month",
    "year",
    "month_of_year",
    "yes_no",
    "choice",
    "schedule",
    "text",
]
"""What a value is, and so how two are compared (`values/`). A `month` is one of a certain year, MM/YYYY; a
`month_of_year` is one of twelve. Every word of a `term` tells, a `text` may be prose."""

Scope = Literal["deal", "facility"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to find for each facility. Of scope "deal", it is the same for all facilities of a company.

    `key` is its name in code and files, `name` the one that models and people read, `group` the key of its
    group among the 13. `keywords` are what texts about it say; `unit` is what a bare number counts.
    `choices` are all values of the kind "choice", and the usual ones of the kind "tenor".
    """

    key: str
    name: str
    group: str
    kind: Kind
    scope: Scope
    description: str
    keywords: tuple[str, ...]
    unit: str = ""
    choices: tuple[str, ...] = ()


def field(
    key: str, name: str, kind: Kind, description: str, keywords: str, *, choices: tuple[str, ...] = ()
) -> tuple[str, str, Kind, str, tuple[str, ...], tuple[str, ...]]:
    """A row of a group's table; `keywords` are separated by bars."""
    return key, name, kind, description, tuple(word.strip() for word in keywords.split("|")), choices


_UNITS: dict[Kind, str] = {"amount": "thousands", "percent": "%", "ratio": "x"}


def group_of(
    key: str,
    scope: Scope,
    *rows: tuple[str, str, Kind, str, tuple[str, ...], tuple[str, ...]],
) -> tuple[Field, ...]:
    """The fields of a group, which share its scope."""
    return tuple(
        Field(name, label, key, kind, scope, description, keywords, _UNITS.get(kind, ""), choices)
        for name, label, kind, description, keywords, choices in rows
    )
