"""The wording of each template family, read from its file, and how its slots are filled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.extraction.corpus.knobs import Family, refuse_unknown

Texts = tuple[str, ...]
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Phrases:
    """One field's label and the sentences that state it: in usual terms, in a synonym's, without either."""

    label: str
    keyword: str
    synonym: str
    oblique: str


@dataclass(frozen=True, slots=True)
class Wording:
    """All words of a family; see its file in `wording/`."""

    family: Family
    language: str
    fields: Mapping[str, Phrases]
    no: Mapping[str, str]
    foreign: Mapping[str, str]
    choices: Mapping[str, Texts]
    texts: Mapping[str, Texts]
    lures: Mapping[str, Texts]
    names: Mapping[str, str]
    numbered: Texts
    named: Mapping[str, str]
    senior: Texts
    titles: Mapping[str, Texts]
    sections: Mapping[str, str]
    filler: Mapping[str, Texts]


@dataclass(frozen=True, slots=True)
class Filled:
    """A text, and where in it each slot's content stands."""

    text: str
    slots: Mapping[str, tuple[int, int]]


@cache
def wording_of(family: Family) -> Wording:
    """A family's wording; raises HarnessError for one that does not exist."""
    refuse_unknown(family)
    content = (files(f"{__package__}.wording") / f"{family}.json").read_text(encoding="utf-8")
    read = json.loads(content)
    return Wording(
        family,
        read["language"],
        {key: Phrases(*texts) for key, texts in read["fields"].items()},
        read["no"],
        read["foreign"],
        _texts(read["choices"]),
        _texts(read["texts"]),
        _texts(read["lures"]),
        read["names"],
        tuple(read["facilities"]["numbered"]),
        read["facilities"]["named"],
        tuple(read["facilities"]["senior"]),
        _texts(read["titles"]),
        read["sections"],
        _texts(read["filler"]),
    )


def fill(template: str, **contents: str) -> Filled:
    """The template with its slots filled. Each slot stands in it once."""
    text, slots, at = "", {}, 0
    for slot in _SLOT.finditer(template):
        text += template[at : slot.start()]
        content = contents[slot[1]]
        slots[slot[1]] = (len(text), len(text) + len(content))
        text += content
        at = slot.end()
    return Filled(text + template[at:], slots)


def around(filled: Filled, before: str, after: str) -> Filled:
    """The text between two others; its first letter is lowered after an opening."""
    text = filled.text
    article = text.split(" ", 1)[0] in _LOWERED
    if before and not article:
        before = ""
    if before:
        text = text[0].lower() + text[1:]
    if after and text.endswith("."):
        text = text[:-1] + after + "."
    moved = {name: (start + len(before), end + len(before)) for name, (start, end) in filled.slots.items()}
    return Filled(before + text, moved)


_LOWERED = frozenset("The A An No Each Within As For Of Under Through With".split())


def _texts(read: Mapping[str, str | list[str]]) -> dict[str, Texts]:
    return {key: (value,) if isinstance(value, str) else tuple(value) for key, value in read.items()}
