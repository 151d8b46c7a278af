"""The documented format: every field has value, evidence and confidence in the answer, found or not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.engines.protocol import Message, Request, Sampling
from harness.extraction.asks import Ask, Confidence, Facility, Found
from harness.extraction.reading.formats import verbose_texts as texts
from harness.extraction.reading.formats.format import Parsed, joined, repeated
from harness.extraction.reading.formats.json_answers import MOST_QUOTE_CHARACTERS, clean, read_json, text_of
from harness.extraction.schema.fields import FIELDS

_MISSING = frozenset(
    {"", "NOT_FOUND", "NOT FOUND", "EXTRACTION_ERROR", "NOT_EXTRACTED", "NONE", "NULL", "UNKNOWN"}
)
_ABSENT = frozenset({"N/A", "NA", "NOT APPLICABLE", "NOT_APPLICABLE"})
_ELSEWHERE = frozenset({"POSSIBLY_PRESENT", "POSSIBLY PRESENT"})
_WORD = re.compile(r"\w+")
_LEAST_COMMON = 2
_CONFIDENCES: tuple[Confidence, ...] = ("HIGH", "MEDIUM", "LOW")


@dataclass(frozen=True, slots=True)
class Verbose:
    """`constrained`: requests carry the answer's JSON schema, for engines that can hold a model to one.

    An ask that names several facilities becomes one request for each; fields of the deal go into the first.
    """

    constrained: bool = False

    @property
    def name(self) -> str:
        """As reports print it."""
        return "verbose, by schema" if self.constrained else "verbose"

    @property
    def detects(self) -> bool:
        """It does."""
        return True

    @property
    def makes_cuts_final(self) -> bool:
        """An answer that is cut is lost, as the documented pipeline loses it; more room is not asked for."""
        return True

    def parts(self, ask: Ask) -> tuple[Ask, ...]:
        """One for each facility named, unless it asks for nothing."""
        if not ask.passages or not (ask.fields or ask.stage == "detection"):
            return ()
        if len(ask.facilities) < 2:
            return (ask,)
        parts = []
        for number, facility in enumerate(ask.facilities):
            fields = tuple(key for key in ask.fields if number == 0 or FIELDS[key].scope == "facility")
            claimed = tuple(each for each in ask.claimed if each.facility in ("", facility.name))
            if fields:
                parts.append(replace(ask, fields=fields, facilities=(facility,), claimed=claimed))
        return tuple(parts)

    def requests(self, ask: Ask) -> tuple[Request, ...]:
        """One for each part."""
        return tuple(_request(part, self.constrained) for part in self.parts(ask))

    def again(self, request: Request, problem: str) -> Request | None:
        """The same, and what was wrong."""
        return repeated(request, problem)

    def answer(
        self,
        ask: Ask,
        found: Sequence[Found],
        absent: Sequence[str] = (),
        elsewhere: Sequence[str] = (),
        facilities: Sequence[Facility] = (),
    ) -> str:
        """Every field of the part, in its order."""
        if ask.stage == "detection":
            listed = [
                {"name": each.name, "type": each.type, "amount": each.amount, "characteristics": ""}
                for each in facilities
            ]
            return texts.written({"facilities": listed})
        by_field = {each.field: each for each in reversed(found)}
        if ask.stage == "verification":
            return texts.written(
                {"checked": {FIELDS[key].name: _check(ask, key, by_field) for key in ask.fields}}
            )
        status = dict.fromkeys(absent, "N/A") | dict.fromkeys(elsewhere, "POSSIBLY_PRESENT")
        records = {
            FIELDS[key].name: texts.record(by_field.get(key), status.get(key, "NOT_FOUND"))
            for key in ask.fields
        }
        return texts.written({"fields": records})

    def parse(self, ask: Ask, texts: Sequence[str]) -> Parsed:
        """Records of fields that were asked for, by their names or by names that have two words in common."""
        return joined([_parsed(part, text) for part, text in zip(self.parts(ask), texts, strict=True)])


VERBOSE = Verbose()


def _request(ask: Ask, constrained: bool) -> Request:
    if ask.stage == "detection":
        body = texts.detection_body(ask)
    elif ask.stage == "verification":
        body = texts.verification_body(ask)
    else:
        body = texts.deep_body(ask) if ask.stage == "deep" else texts.group_body(ask)
    schema = answer_schema(ask) if constrained else None
    messages = (Message("system", texts.system(ask.fields)), Message("user", body))
    return Request(messages, Sampling(max_tokens=ask.output_tokens, schema=schema))


def answer_schema(ask: Ask) -> Mapping[str, Any]:
    """The JSON schema of an answer: every field is there, evidence before value, absence is a value."""
    text: dict[str, Any] = {"type": "string"}
    if ask.stage == "detection":
        keys = {"name": text, "type": text, "amount": text, "characteristics": text}
        return _object({"facilities": {"type": "array", "items": _object(keys)}})
    keys = {"evidence": text, "value": text, "confidence": {"enum": list(_CONFIDENCES)}}
    if ask.stage == "verification":
        keys = {"is_correct": {"type": "boolean"}, **keys}
    key = "checked" if ask.stage == "verification" else "fields"
    return _object({key: _object({FIELDS[field].name: _object(keys) for field in ask.fields})})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _check(ask: Ask, key: str, by_field: Mapping[str, Found]) -> dict[str, Any]:
    """A verification's record; without a value of its own it says nothing of the claim."""
    found = by_field.get(key)
    claims = [each.value for each in ask.claimed if each.field == key]
    is_correct = found is not None and found.value in claims
    return {"is_correct": is_correct, **texts.record(found)}


def _parsed(ask: Ask, text: str) -> Parsed:
    if ask.stage == "detection":
        return _parsed_facilities(text)
    key = "checked" if ask.stage == "verification" else "fields"
    complaints: list[str] = []
    document = read_json(text, lambda value: isinstance(value, dict) and isinstance(value.get(key), dict))
    if document is None:
        names = {FIELDS[field].name for field in ask.fields} | set(ask.fields)
        bare = read_json(text, lambda value: isinstance(value, dict) and any(name in names for name in value))
        if bare is None:
            other = read_json(text, lambda value: isinstance(value, dict))
            problem = "it was no whole JSON object" if other is None else f'it had no object "{key}"'
            return Parsed(problems=(problem,), unread=ask.fields)
        complaints.append(f'the fields stand outside of "{key}"')
        document = {key: bare}
    records = _by_field(ask, document[key], complaints)
    found, absent, elsewhere = [], [], []
    for field, record in records.items():
        value = _value(field, record, complaints)
        status = "" if value is None else value.upper()
        if status in _ABSENT:
            absent.append(field)
        elif status in _ELSEWHERE:
            elsewhere.append(field)
        elif value is not None and status not in _MISSING:
            found.append(_found(ask, field, value, record))
        elif ask.stage == "verification" and _is_confirmed(record):
            found += [each for each in ask.claimed if each.field == field]
    if not records:
        return Parsed(problems=("it had none of the fields asked for",), unread=ask.fields)
    return Parsed(tuple(found), (), tuple(absent), tuple(elsewhere), ("",), (), tuple(complaints))


def _parsed_facilities(text: str) -> Parsed:
    document = read_json(
        text,
        lambda value: isinstance(value.get("facilities") if isinstance(value, dict) else value, list),
    )
    if document is None:
        return Parsed(problems=('it was no JSON object with a list "facilities"',))
    listed = document["facilities"] if isinstance(document, dict) else document
    facilities, complaints = [], []
    for record in listed[:50]:
        name = text_of(record.get("name"), 120) if isinstance(record, dict) else None
        if name:
            facilities.append(
                Facility(name, *(text_of(record.get(key), 120) or "" for key in ("type", "amount")))
            )
        else:
            complaints.append("a facility has no name")
    return Parsed(facilities=tuple(facilities), problems=("",), complaints=tuple(complaints))


def _by_field(ask: Ask, records: Mapping[str, Any], complaints: list[str]) -> dict[str, Any]:
    """Records by the fields asked for. A key that is none is taken for the field whose name has most words in
    common with it, two at least and more than any other; the first record of a field is its record."""
    found: dict[str, Any] = {}
    names = {_folded(name): key for key in ask.fields for name in (key, FIELDS[key].name)}
    strangers = []
    for name, record in records.items():
        key = names.get(_folded(str(name)))
        if key is None:
            strangers.append((str(name), record))
        else:
            found.setdefault(key, record)
    for name, record in strangers[: len(FIELDS)]:
        key = _nearest(name, [key for key in ask.fields if key not in found])
        if key is None:
            complaints.append(f"the key {clean(name, 60)!r} is no field that was asked for")
        else:
            complaints.append(f"the key {clean(name, 60)!r} was taken for {FIELDS[key].name!r}")
            found[key] = record
    return {key: found[key] for key in ask.fields if key in found}


def _nearest(name: str, keys: Sequence[str]) -> str | None:
    words = set(_WORD.findall(name.lower()))
    common = sorted(
        (
            (len(words & set(_WORD.findall(FIELDS[key].name.lower()))), -number)
            for number, key in enumerate(keys)
        ),
        reverse=True,
    )
    if not common or common[0][0] < _LEAST_COMMON or (len(common) > 1 and common[1][0] == common[0][0]):
        return None
    return keys[-common[0][1]]


def _value(field: str, record: Any, complaints: list[str]) -> str | None:
    if isinstance(record, dict):
        return text_of(record.get("value"))
    if record is not None:
        complaints.append(f"the record of {FIELDS[field].name!r} is no object")
    return text_of(record)


def _found(ask: Ask, field: str, value: str, record: Any) -> Found:
    details = record if isinstance(record, dict) else {}
    quote = text_of(details.get("evidence"), MOST_QUOTE_CHARACTERS) or ""
    said = str(details.get("confidence")).strip().upper()
    confidence: Confidence = next((each for each in _CONFIDENCES if each == said), "LOW")
    facility = ask.facilities[0].name if ask.facilities and FIELDS[field].scope == "facility" else ""
    return Found(field, value, facility, quote, None, confidence)


def _is_confirmed(record: Any) -> bool:
    return isinstance(record, dict) and record.get("is_correct") is True


def _folded(name: str) -> str:
    return " ".join(_WORD.findall(name.lower().replace("_", " ")))
