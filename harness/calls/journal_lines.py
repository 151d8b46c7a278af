"""The lines of a journal, from bytes and back. No files.

First a header with the run's fingerprint, then one line for each answer, between them notes of anyone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.calls.answer import Answer, Role, answer_from, document_of, role_from

# raise it when lines are written otherwise
FORMAT = 1
HEADER, ANSWER = "header", "answer"


class Place(NamedTuple):
    """Which call of a run: the model's role, the request's key, and the how-manieth of equal requests."""

    role: Role
    key: str
    occurrence: int


@dataclass(slots=True)
class Contents:
    """What a journal says. `end` is the number of bytes up to the last whole line, `lines` how many it has.

    `fingerprint` is None where there is no header, which only an empty journal may lack.
    """

    fingerprint: Mapping[str, str] | None = None
    answers: dict[Place, Answer] = field(default_factory=dict)
    notes: list[Mapping[str, Any]] = field(default_factory=list)
    end: int = 0
    lines: int = 0


class CorruptLineError(ValueError):
    """A line that no journal has; `number` counts from 1."""

    def __init__(self, number: int, what: str) -> None:
        self.number = number
        super().__init__(what)


def header_line(fingerprint: Mapping[str, str]) -> bytes:
    """The first line."""
    return _line({"kind": HEADER, "format": FORMAT, "fingerprint": dict(fingerprint)})


def answer_line(place: Place, answer: Answer) -> bytes:
    """The line of one answer."""
    return _line({"kind": ANSWER, **place._asdict(), "answer": document_of(answer)})


def note_line(kind: str, fields: Mapping[str, Any]) -> bytes:
    """The line of a note."""
    return _line({"kind": kind, **fields})


def read_lines(content: bytes) -> Contents:
    """What the bytes of a journal say.

    What follows the last line break was torn when its writer died, and is not read; so is a last line that is
    no JSON. Raises CorruptLineError for any other line that no journal has.
    """
    found = Contents()
    *lines, _torn = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines) > 1:
                break
            raise CorruptLineError(number, "no JSON") from None
        try:
            _take(found, number, document)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptLineError(number, f"no line of a journal ({error})") from None
        found.end += len(line) + 1
        found.lines = number
    return found


def _take(found: Contents, number: int, document: Any) -> None:
    kind = document["kind"]
    if (kind == HEADER) != (number == 1):
        raise ValueError("the header is the first line and no other")
    if kind == HEADER:
        found.fingerprint = _fingerprint(document)
    elif kind == ANSWER:
        place = Place(role_from(document["role"]), document["key"], document["occurrence"])
        if not isinstance(place.key, str) or type(place.occurrence) is not int:
            raise ValueError("a call has a key and a number")
        if place in found.answers:
            raise ValueError("a call that was answered before")
        found.answers[place] = answer_from(document["answer"])
    else:
        found.notes.append(document)


def _fingerprint(document: Mapping[str, Any]) -> Mapping[str, str]:
    parts = document["fingerprint"]
    if not isinstance(parts, Mapping) or not all(isinstance(value, str) for value in parts.values()):
        raise ValueError("a fingerprint is texts by name")
    return {"format of the journal": str(document["format"]), **parts}


def _line(document: Mapping[str, Any]) -> bytes:
    # ASCII, so that no text of a model can break a line or be no UTF-8
    return json.dumps(document).encode("ascii") + b"\n"
