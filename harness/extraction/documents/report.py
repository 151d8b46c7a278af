"""What became of a file: one line for people, and what a reader makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["read", "partly read", "not read", "skipped"]

_SHOWN_CHARACTERS = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# what no text has, or what cannot be written as UTF-8
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class UnreadableError(Exception):
    """A file cannot be read; the message says why, and what to do where that is known."""


@dataclass(frozen=True, slots=True)
class Content:
    """The text of a file, where its pages begin, and what the reader should know of it.

    `is_partial`: something that is in the file is not in the text.
    """

    text: str
    pages: tuple[int, ...] = (0,)
    notes: tuple[str, ...] = ()
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file of a folder, by its path below it. `pages` and `characters` are those of the text it gave.

    "skipped" are files that were not meant to be read: of an unknown type, hidden, links that lead out.
    """

    name: str
    outcome: Outcome
    what: str = ""
    pages: int = 0
    characters: int = 0

    @property
    def line(self) -> str:
        """`name: outcome, size; what`, on one line."""
        size = f", {_count(self.pages, 'page')}, {_count(self.characters, 'character')}" if self.pages else ""
        text = f"{self.name}: {self.outcome}{size}"
        return f"{text}; {self.what}" if self.what else text


def fit(text: str) -> str:
    """The text with every character that is none replaced by U+FFFD, so offsets stay."""
    return _UNFIT.sub("�", text)


def one_line(text: str) -> str:
    """Foreign text for a message: printable, on one line, cut."""
    line = " ".join(_CONTROL.sub(" ", fit(text)).split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "..."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
