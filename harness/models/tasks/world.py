"""A small fixed world of invented facts. A fact's popularity class decides how often training asks for it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache

from harness.models.tasks.entities import HELD_OUT
from harness.models.tasks.names import proper_name, word
from harness.models.tasks.relations import WORDS, Relation, relations_of

WORLD = 2025
ENTITIES: Mapping[str, int] = {"person": 48, "place": 16, "company": 16}
# How many values a kind has in the world; persons, places and companies are entities first, then more names.
_VALUES: Mapping[str, int] = {
    "person": 60, "place": 40, "company": 28, "instrument": 16, "river": 16, "club": 16,
}  # fmt: skip
# One fact in four, about one in three, the rest; and how often each is drawn, relative to a rare fact.
POPULARITY: Mapping[str, float] = {"famous": 0.25, "known": 0.35, "rare": 0.40}
WEIGHT: Mapping[str, int] = {"famous": 12, "known": 4, "rare": 1}
# Of the entities of each kind, how many training may ever contradict; tests contradict only the others.
MOST_CONTRADICTED = 0.6
_HELD_OUT_OF = 5


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one entity; `popularity` is empty for facts that are not of the world."""

    entity: str
    relation: Relation
    value: str
    popularity: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """All facts, the values by kind and every name in use; a kind's first values are its entities."""

    facts: tuple[Fact, ...]
    values: Mapping[str, tuple[str, ...]]
    names: frozenset[str]


_BANNED = frozenset(name for names in HELD_OUT.values() for name in names)


def is_held_out(name: str) -> bool:
    """Whether a name is kept for tests: one in five is, by its own checksum, so no list is needed."""
    return zlib.crc32(name.casefold().encode()) % _HELD_OUT_OF == 0


def fresh(r: random.Random, kind: str, held: bool, taken: Container[str]) -> str:
    """A new name for a value or an entity of this kind, not in `taken` (in lower case) nor in any wording."""
    while True:
        name = word(r, 2, 3)[:11] if kind == "instrument" else proper_name(r, _BANNED)
        small = name.casefold()
        if is_held_out(name) == held and len(name) > 2 and small not in taken and small not in WORDS:
            return name


@cache
def world() -> World:
    """The world of the seed WORLD, always the same."""
    r = random.Random(WORLD)
    taken: set[str] = set()
    values: dict[str, tuple[str, ...]] = {}
    for kind, count in _VALUES.items():
        names = []
        for _ in range(count):
            names.append(fresh(r, kind, False, taken))
            taken.add(names[-1].casefold())
        values[kind] = tuple(names)
    pairs = [(name, relation) for kind, count in ENTITIES.items()
             for name in values[kind][:count] for relation in relations_of(kind)]  # fmt: skip
    classes: list[str] = []
    for popularity, share in POPULARITY.items():
        classes += [popularity] * round(share * len(pairs))
    r.shuffle(classes)
    facts = tuple(
        Fact(name, relation, r.choice([v for v in values[relation.value] if v != name]), popularity)
        for (name, relation), popularity in zip(pairs, classes, strict=True)
    )
    return World(facts, values, frozenset(taken))


@cache
def contradicted(share: float) -> frozenset[str]:
    """The first entities of each kind that make up this share: those which training then may contradict."""
    return frozenset(
        name for kind, count in ENTITIES.items() for name in world().values[kind][: round(share * count)]
    )


@cache
def never_contradicted() -> frozenset[str]:
    """The entities that training never contradicts."""
    return contradicted(1.0) - contradicted(MOST_CONTRADICTED)
