"""Our format: rules, the document in numbered lines, facilities and fields; answers list only what is found.

The order lets a prefix cache keep rules and document for every question about them. An answer names fields by
number, facilities by letter and evidence by the numbers of lines, so evidence is a span of the text or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.protocol import Message, Request, Sampling
from harness.extraction.asks import Ask, Facility, Found, Passage
from harness.extraction.reading.formats.format import Parsed, joined, repeated
from harness.extraction.reading.formats.sparse_answers import MOST_LINES, NUMBERS, parsed_answer
from harness.extraction.reading.formats.sparse_texts import RULES, letter, task
from harness.extraction.reading.shown import CLOSING, OPENING, Line, delimited, lines_of, numbered
from harness.extraction.schema.fields import FIELDS


@dataclass(frozen=True, slots=True)
class Sparse:
    """`constrained`: requests carry the answer's JSON schema, for engines that can hold a model to one."""

    constrained: bool = False

    @property
    def name(self) -> str:
        """As reports print it."""
        return "sparse, by schema" if self.constrained else "sparse"

    @property
    def detects(self) -> bool:
        """It does."""
        return True

    @property
    def makes_cuts_final(self) -> bool:
        """Records before a cut are whole, and kept."""
        return True

    def parts(self, ask: Ask) -> tuple[Ask, ...]:
        """The ask itself, unless it asks for nothing."""
        return (ask,) if ask.passages and (ask.fields or ask.stage == "detection") else ()

    def requests(self, ask: Ask) -> tuple[Request, ...]:
        """One request."""
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
        """Compact JSON; a value's lines are those that its evidence touches."""
        if ask.stage == "detection":
            return _written({"facilities": [_facility_record(each) for each in facilities]})
        lines, letters = lines_of(ask), _letters(ask)
        records = []
        for each in found:
            record: dict[str, Any] = {"l": _touched(lines, each.evidence), "f": NUMBERS[each.field]}
            if each.facility in letters and FIELDS[each.field].scope == "facility":
                record["b"] = letters[each.facility]
            records.append(record | {"v": each.value})
        document: dict[str, Any] = {"found": records}
        for name, keys in (("absent", absent), ("elsewhere", elsewhere)):
            if keys:
                document[name] = [NUMBERS[key] for key in keys]
        return _written(document)

    def parse(self, ask: Ask, texts: Sequence[str]) -> Parsed:
        """Records that hold to the format; the others are complaints."""
        return joined([parsed_answer(part, text) for part, text in zip(self.parts(ask), texts, strict=True)])


SPARSE = Sparse()


def _request(ask: Ask, constrained: bool) -> Request:
    document = delimited(numbered(ask, lines_of(ask)))
    body = f"{document}\n\n{task(ask, NUMBERS)}"
    schema = answer_schema(ask) if constrained else None
    sampling = Sampling(max_tokens=ask.output_tokens, schema=schema)
    return Request((Message("system", RULES), Message("user", body)), sampling)


def answer_schema(ask: Ask) -> Mapping[str, Any]:
    """The JSON schema of an answer: evidence before value, so that the value follows from it.

    Lengths are left to the limit of tokens: a grammar that counts characters is long and slow.
    """
    text = {"type": "string"}
    if ask.stage == "detection":
        keys = {"name": text, "type": text, "amount": text}
        return _object({"facilities": {"type": "array", "items": _object(keys)}})
    fields = {"enum": [NUMBERS[key] for key in ask.fields]}
    record: dict[str, Any] = {
        "l": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": MOST_LINES},
        "f": fields,
    }
    optional: tuple[str, ...] = ()
    if ask.facilities:
        record["b"] = {"enum": [letter(number) for number in range(len(ask.facilities))]}
        optional = ("b",)
    record["v"] = text
    numbers = {"type": "array", "items": fields}
    return _object(
        {
            "found": {"type": "array", "items": _object(record, optional)},
            "absent": numbers,
            "elsewhere": numbers,
        },
        ("absent", "elsewhere"),
    )


def _object(properties: Mapping[str, Any], optional: Sequence[str] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def _facility_record(facility: Facility) -> dict[str, str]:
    return {"name": facility.name, "type": facility.type, "amount": facility.amount}


def _letters(ask: Ask) -> dict[str, str]:
    return {facility.name: letter(number) for number, facility in enumerate(ask.facilities)}


def _touched(lines: Sequence[Line], evidence: Passage | None) -> list[int]:
    """The lines that a span touches, as many as an answer may name."""
    if evidence is None:
        return []
    numbers = [
        line.number for line in lines if line.span.start < evidence.end and evidence.start < line.span.end
    ]
    return numbers[:MOST_LINES]


def _written(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


assert OPENING in RULES
assert CLOSING in RULES
