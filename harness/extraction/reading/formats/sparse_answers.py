"""The sparse format's answers: from a text to values with the lines that say them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harness.extraction.asks import Ask, Confidence, Facility, Found, Passage
from harness.extraction.reading.formats.format import Parsed
from harness.extraction.reading.formats.json_answers import (
    MOST_QUOTE_CHARACTERS,
    clean,
    complete_records,
    read_json,
    text_of,
)
from harness.extraction.reading.formats.sparse_texts import letter
from harness.extraction.reading.shown import Line, lines_of
from harness.extraction.schema.fields import FIELDS

NUMBERS = {key: number for number, key in enumerate(FIELDS, 1)}
"""What fields are called in prompts and answers."""
MOST_LINES = 8
"""Lines that a record may name."""
_KEYS = {number: key for key, number in NUMBERS.items()}
_DIGITS = re.compile(r"\d[\d.,' ]*")
_LISTS = ("found", "facilities", "absent", "elsewhere")


def parsed_answer(ask: Ask, text: str) -> Parsed:
    """What the answer to one request says. Never raises."""
    key = "facilities" if ask.stage == "detection" else "found"
    document = read_json(text, lambda value: isinstance(value, dict) and isinstance(value.get(key), list))
    cut = 0
    if document is None:
        records = complete_records(text, key)
        if records is None:
            empty = read_json(text, lambda value: isinstance(value, dict))
            return Parsed(problems=(_problem(key, empty),), unread=ask.fields)
        document, cut = {key: records}, 1
    complaints = [
        f"the answer has the key {clean(str(name), 40)!r}" for name in document if name not in _LISTS
    ]
    if key == "facilities":
        named = [_facility_of(record, complaints) for record in document[key][:50]]
        kept = tuple(each for each in named if each is not None)
        return Parsed(facilities=kept, problems=("",), complaints=tuple(complaints), cut=cut)
    lines = lines_of(ask)
    most = 4 * len(ask.fields) * max(1, len(ask.facilities))
    read = [_found(ask, lines, record, complaints) for record in document[key][:most]]
    found = tuple(each for each in read if each is not None)
    reached = {each.field for each in found}
    return Parsed(
        found,
        absent=_fields_of(ask, document.get("absent"), complaints),
        elsewhere=_fields_of(ask, document.get("elsewhere"), complaints),
        problems=("",),
        unread=tuple(each for each in ask.fields if each not in reached) if cut else (),
        complaints=tuple(complaints),
        cut=cut,
    )


def _problem(key: str, other: Any) -> str:
    if other is None:
        return "it was no whole JSON object"
    return f'the JSON object had no list "{key}"'


def _found(ask: Ask, lines: Sequence[Line], record: Any, complaints: list[str]) -> Found | None:
    """A record as a value; None, with a complaint, where it is none of this ask."""
    if not isinstance(record, dict):
        complaints.append("a record is no object")
        return None
    key = _key(ask, record.get("f"))
    if key is None:
        complaints.append(
            f"a record is of field {clean(str(record.get('f')), 20)!r}, which was not asked for"
        )
        return None
    value = text_of(record.get("v"))
    if not value:
        complaints.append(f"the record of field {NUMBERS[key]} has no value")
        return None
    evidence = _evidence(lines, record.get("l"))
    quote = "" if evidence is None else ask.company.text[evidence.start : evidence.end]
    facility = _owner(ask, key, record.get("b"), complaints)
    if facility is None:
        return None
    return Found(
        key, value, facility, quote[:MOST_QUOTE_CHARACTERS], evidence, _confidence(value, quote, evidence)
    )


def _key(ask: Ask, given: Any) -> str | None:
    """The field of a number, which a model may write as text or by the field's key."""
    text = str(given).strip()
    key = _KEYS.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else text
    return key if key in ask.fields else None


def _owner(ask: Ask, key: str, given: Any, complaints: list[str]) -> str | None:
    """The facility's name, empty for the deal and where none was named; None for a letter that nobody has."""
    if FIELDS[key].scope == "deal" or not ask.facilities:
        return ""
    if given is None or given == "":
        return ask.facilities[0].name if len(ask.facilities) == 1 else ""
    text = str(given).strip()
    for number, facility in enumerate(ask.facilities):
        if text.upper() == letter(number) or text == facility.name:
            return facility.name
    complaints.append(f"a value of field {NUMBERS[key]} is of facility {clean(text, 20)!r}")
    return None


def _evidence(lines: Sequence[Line], given: Any) -> Passage | None:
    """The first run of neighbouring lines among those given; None where no number is a line's."""
    given = given if isinstance(given, list) else [given]
    numbers = []
    for each in given[:MOST_LINES]:
        text = str(each).strip()
        if text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= len(lines):
            numbers.append(int(text))
    if not numbers:
        return None
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1 or lines[number - 1].span.start < lines[last - 1].span.end:
            break
        if lines[number - 1].span.start - lines[last - 1].span.end > 2:
            break
        last = number
    return Passage(lines[first - 1].span.start, lines[last - 1].span.end)


def _confidence(value: str, quote: str, evidence: Passage | None) -> Confidence:
    """A value with a number that the lines do not show is computed, or taken from elsewhere."""
    if evidence is None:
        return "LOW"
    there = {_significant(match.group()) for match in _DIGITS.finditer(quote)}
    numbers = [_significant(match.group()) for match in _DIGITS.finditer(value)]
    return "HIGH" if not numbers or any(number in there for number in numbers) else "MEDIUM"


def _significant(number: str) -> str:
    """Digits without separators and outer zeros, so that 250 million is 250,000 thousand."""
    return "".join(sign for sign in number if sign.isdigit()).strip("0") or "0"


def _fields_of(ask: Ask, given: Any, complaints: list[str]) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        complaints.append("a list of fields is no list")
        return ()
    keys = [_key(ask, each) for each in given[: len(FIELDS)]]
    return tuple(dict.fromkeys(key for key in keys if key is not None))


def _facility_of(record: Any, complaints: list[str]) -> Facility | None:
    if isinstance(record, dict) and (name := text_of(record.get("name"), 120)):
        others = (text_of(record.get(key), 120) or "" for key in ("type", "amount"))
        return Facility(name, *others)
    complaints.append("a facility has no name")
    return None
