"""The embedded model's format: a line of the documents, and what it states.

The model `statements` names facility, thing and value of a line, whatever was asked for; what was not asked
for is left out here. A request depends on its line alone, so a line that comes again is answered from the
cache. Nothing is taken from an answer that its line does not have: a value and a facility stand in the
line, a number is one of its field's kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.engines.protocol import Message, Request, Sampling
from harness.extraction.asks import Ask, Facility, Found
from harness.extraction.reading.detection import facility_before, facility_in
from harness.extraction.reading.formats.format import Parsed, joined
from harness.extraction.reading.formats.statements_fields import (
    FIELDS_OF,
    IMPLIED,
    defined,
    thing_of,
    value_of,
)
from harness.extraction.reading.formats.statements_lines import Line, lines_of
from harness.extraction.schema.fields import FIELDS
from harness.models.tasks.statements import SYSTEM

_ROW = re.compile(r"-|([a-z]+)\|([^|\n]*)\|([^|\n]*)")
_ANSWER_TOKENS = 60
"""Enough for the longest value of a line that it was trained to copy."""
_CODES = {key: code for code, keys in FIELDS_OF.items() for key in keys} | {"facility_name": "name"}


@dataclass(frozen=True, slots=True)
class Statements:
    """One request for each line; every field is known."""

    @property
    def name(self) -> str:
        """As reports print it."""
        return "statements"

    @property
    def detects(self) -> bool:
        """It cannot."""
        return False

    @property
    def makes_cuts_final(self) -> bool:
        """An answer that is cut is one that copies without end; more room does not help it."""
        return True

    def parts(self, ask: Ask) -> tuple[Ask, ...]:
        """One for each line of the passages."""
        if not ask.fields:
            return ()
        return tuple(replace(ask, passages=(line.span,)) for line in lines_of(ask))

    def requests(self, ask: Ask) -> tuple[Request, ...]:
        """The line, nothing else."""
        return tuple(_request(part) for part in self.parts(ask))

    def again(self, request: Request, problem: str) -> Request | None:
        """Never: a model that knows one form of prompt cannot make anything of what was wrong."""
        return None

    def answer(
        self,
        ask: Ask,
        found: Sequence[Found],
        absent: Sequence[str] = (),
        elsewhere: Sequence[str] = (),
        facilities: Sequence[Facility] = (),
    ) -> str:
        """A row for each value, "-" without one; a yes or no in small letters."""
        return "\n".join(f"{_CODES[each.field]}|{each.facility}|{_said(each)}" for each in found) or "-"

    def parse(self, ask: Ask, texts: Sequence[str]) -> Parsed:
        """A value is HIGH where the line has it as the model copied it, MEDIUM where it follows from it."""
        parsed = joined([_parsed(part, text) for part, text in zip(self.parts(ask), texts, strict=True)])
        # every part is about every field: they were looked for where any part could be read
        return parsed if all(parsed.problems) else replace(parsed, unread=())


STATEMENTS = Statements()


def _request(part: Ask) -> Request:
    messages = (Message("system", SYSTEM), Message("user", lines_of(part)[0].text))
    return Request(messages, Sampling(max_tokens=min(part.output_tokens, _ANSWER_TOKENS)))


def _parsed(part: Ask, text: str) -> Parsed:
    """A model that writes more than one row has said nothing; a reader who knows may."""
    (line,) = lines_of(part)
    matches = [_ROW.fullmatch(row.strip()) for row in text.splitlines() if row.strip()]
    if not matches or None in matches:
        return Parsed(
            problems=("it says nothing of its line in the form that was learned",), unread=part.fields
        )
    complaints, found = list[str](), list[Found]()
    for match in matches:
        assert match is not None
        if match[1] in FIELDS_OF:
            code = thing_of(match[1], line.text)
            found += [] if code is None else _found(part, line, code, match[2], match[3])
        elif match[1]:
            complaints.append("the answer has a code that is none")
    return Parsed(_once(found), problems=("",), complaints=tuple(complaints))


def _found(ask: Ask, line: Line, code: str, facility: str, said: str) -> Iterator[Found]:
    """The values that a row gives to fields that were asked for."""
    owner = _owner(ask, line, facility)
    is_value = False
    for key in FIELDS_OF[code]:
        value, is_copy = _value(ask, line, key, said)
        if value is None:
            continue
        is_value = True
        if key in ask.fields:
            yield _of(ask, line, key, value, owner, is_copy)
    if code == "limit" and is_value and "currency" in ask.fields:
        value = re.sub(r"[\d.,' ]+.*|\b(?:million|billion)\b", "", said).strip() if said else ""
        if value_of("currency", value, said):
            yield _of(ask, line, "currency", value, owner, False)
    if is_value and said.strip().lower() != "no":
        for key, value in IMPLIED.get(code, ()):
            if key in ask.fields:
                yield _of(ask, line, key, value, owner, False)
    named = facility_in(line.text, ask.facilities)
    if "facility_name" in ask.fields and named is not None and (is_value or code == "name"):
        yield _of(ask, line, "facility_name", named.name, named.name, False)


def _value(ask: Ask, line: Line, key: str, said: str) -> tuple[str | None, bool]:
    """A field's value by a row, and whether the model copied it out of the line."""
    if FIELDS[key].kind == "schedule":
        return ("; ".join(row.replace("\t", ": ") for row in line.rows) or None), False
    if (meant := defined(ask.company.text, said)) is not None:
        value = value_of(key, meant, meant)
        if value is not None:
            return value, False
    value = value_of(key, said, line.text)
    return value, value == said


def _owner(ask: Ask, line: Line, facility: str) -> str:
    """The facility that the line names; one that it names and that was not asked for stays as it is, and so
    is nobody's. A line that names none belongs to the facility that its document named last."""
    named = facility_in(facility, ask.facilities) or facility_in(line.text, ask.facilities)
    if named is not None:
        return named.name
    if facility and facility.casefold() in line.text.casefold():
        return facility
    if len(ask.facilities) == 1:
        return ask.facilities[0].name
    before = facility_before(ask.company, ask.facilities, line.span.start)
    return "" if before is None else before.name


def _of(ask: Ask, line: Line, key: str, value: str, owner: str, is_copy: bool) -> Found:
    owner = owner if FIELDS[key].scope == "facility" else ""
    quote = ask.company.text[line.span.start : line.span.end]
    return Found(key, value, owner, quote, line.span, "HIGH" if is_copy else "MEDIUM")


def _said(found: Found) -> str:
    kind = FIELDS[found.field].kind
    return found.value.lower() if kind == "yes_no" else "" if kind == "schedule" else found.value


def _once(found: Sequence[Found]) -> tuple[Found, ...]:
    """What several rows, or a row and what follows from another, say alike of one line is said once."""
    kept: dict[tuple[str, str, str, int], Found] = {}
    for each in found:
        at = 0 if each.evidence is None else each.evidence.start
        kept.setdefault((each.field, each.facility, each.value, at), each)
    return tuple(kept.values())
