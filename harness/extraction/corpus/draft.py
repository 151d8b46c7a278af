"""What is to be written, before it is laid out: lines, what they state and what they only seem to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.extraction.corpus.facts import Key
from harness.extraction.corpus.words import Filled


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph, row or table of a section. `marks` are where values stand in it, `kept` what noise spares.

    `opens` is the number of the line that ends what this one begins: both are to stand far apart.
    """

    text: str
    section: str
    marks: tuple[tuple[int, int], ...] = ()
    kept: tuple[tuple[int, int], ...] = ()
    opens: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Lines that together state a value. `form` is how the value is written; the whole line says it where
    that is empty."""

    owner: str
    key: str
    lines: tuple[int, ...]
    tags: tuple[str, ...]
    form: str = ""


@dataclass(frozen=True, slots=True)
class Lure:
    """A line that looks as if it stated a value; `value` is canonical, empty where it gives none."""

    owner: str
    key: str
    kind: str
    line: int
    value: str


@dataclass(slots=True)
class Draft:
    """Grows while a company is written; the number of a line is its place in `lines`."""

    lines: list[Line] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    lures: list[Lure] = field(default_factory=list)
    references: list[tuple[str, int]] = field(default_factory=list)
    amended: dict[Key, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    """Of documents that have a title of their own, by their key."""

    def add(
        self, section: str, filled: Filled, marks: Sequence[str] = ("v",), opens: int | None = None
    ) -> int:
        """Write a line; all that its slots hold is kept from noise."""
        spans = tuple(filled.slots[name] for name in marks if name in filled.slots)
        self.lines.append(Line(filled.text, section, spans, tuple(filled.slots.values()), opens))
        return len(self.lines) - 1
