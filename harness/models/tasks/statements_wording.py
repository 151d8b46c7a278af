"""What loan documents state, by what each thing is called, and sentences that state it; read from a file.

Our own wording, from the usual terms of loan agreements. In sentences `{f}` is a facility, `{v}` the value,
`{c}` one of the cues, `{C}` the same with capitals, `{n}` a number, `{S}` a section, `{b}` a company. They
begin in small letters, and have no full stop. Texts whose names begin with held_ are never shown in training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

Kind = Literal[
    "party", "name", "term", "currency", "amount", "percent", "ratio", "date", "text", "table", "benchmark",
    "tenor", "nace", "country", "yes_no",
]  # fmt: skip
Scope = Literal["facility", "deal"]
_FILE = "statements_wording.json"


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that a line may state. `code` is what the model calls it.

    `sentences` are beside the frames of its kind, which take any cue; of a yes or no they are all there is,
    and `denials` say no. `foreign` are German, Spanish and French. `values` are the words of a term or a
    text; empty where values are drawn.
    """

    code: str
    kind: Kind
    scope: Scope
    cues: tuple[str, ...]
    sentences: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def _read() -> Any:
    return json.loads((files(__package__) / _FILE).read_text(encoding="utf-8"))


def _thing(record: dict[str, Any]) -> Thing:
    values: dict[str, Any] = {
        key: tuple(part) if isinstance(part, list) else part for key, part in record.items()
    }
    return Thing(**values)


_CONTENT = _read()
THINGS: tuple[Thing, ...] = tuple(_thing(record) for record in _CONTENT["things"])
TEXTS: dict[str, tuple[str, ...]] = {name: tuple(texts) for name, texts in _CONTENT["texts"].items()}
"""Frames of statements, of lines that state nothing, and words, each by its name in the file."""

CEILINGS = frozenset({"leverage", "rab", "gearing"})
"""Ratios that lock up when they are exceeded."""
LOCKED = frozenset({thing.code for thing in THINGS if thing.kind == "ratio"} | {"mincash", "minequity"})
"""What distributions depend on; the same words of an event of default state nothing."""
