"""Which entity types an instruction names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

NOUNS: Mapping[str, tuple[str, ...]] = {
    "person": ("persons", "people", "person names"),
    "place": ("places", "locations", "place names"),
    "organization": ("organizations", "companies", "firms"),
    "activity": ("activities", "hobbies", "sports"),
}
"""The words the embedded model `fixtures/models/entities` was trained on, the plainest first."""


def nouns(type_name: str) -> tuple[str, ...]:
    """The words for entities of a type: the trained ones, or the English plural of its name."""
    name = type_name.lower()
    return NOUNS.get(name) or (_plural(name),)


def named(text: str, type_names: Iterable[str]) -> tuple[str, ...]:
    """Those of the types that the text names, by a noun or by the type's own name, in their order."""
    return tuple(each for each in type_names if _pattern(each).search(text))


def asking_for(type_names: Sequence[str]) -> str:
    """The plain instruction that names these types, at least one, as the embedded model knows it."""
    words = [nouns(each)[0] for each in type_names]
    listing = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"Extract the {listing}."


def _pattern(type_name: str) -> re.Pattern[str]:
    words = "|".join(re.escape(each) for each in (*nouns(type_name), type_name.lower()))
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


def _plural(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"
