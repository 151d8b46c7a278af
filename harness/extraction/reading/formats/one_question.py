"""The embedded model's format: a passage and one field, as the model `fields` was trained on it.

It answers `{"evidence":...,"value":...}`, or null for both. It cannot be asked which facilities there are,
and a question names none: a value belongs to the facility that the text named last before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.engines.protocol import Message, Request, Sampling
from harness.extraction.asks import Ask, Facility, Found
from harness.extraction.reading.detection import facility_before
from harness.extraction.reading.formats.format import Parsed, joined
from harness.extraction.reading.formats.json_answers import MOST_QUOTE_CHARACTERS, clean, read_json, text_of
from harness.extraction.reading.formats.one_question_fields import LABELS, in_small_letters
from harness.extraction.reading.grounding import ground, shown
from harness.extraction.reading.shown import shown_text
from harness.extraction.schema.fields import FIELDS
from harness.models.tasks.fields import SYSTEM

_KEYS = ("evidence", "value")
_ANSWER_TOKENS = 160
"""Enough for the longest evidence that it was trained to copy."""


@dataclass(frozen=True, slots=True)
class OneQuestion:
    """One request for each field that the model knows; other fields are not asked for."""

    @property
    def name(self) -> str:
        """As reports print it."""
        return "one question"

    @property
    def detects(self) -> bool:
        """It cannot."""
        return False

    @property
    def makes_cuts_final(self) -> bool:
        """An answer that is cut is one that copies without end; more room does not help it."""
        return True

    def parts(self, ask: Ask) -> tuple[Ask, ...]:
        """One for each field that the model knows."""
        if not ask.passages:
            return ()
        return tuple(
            replace(ask, fields=(key,), claimed=tuple(each for each in ask.claimed if each.field == key))
            for key in ask.fields
            if key in LABELS
        )

    def requests(self, ask: Ask) -> tuple[Request, ...]:
        """The same text each time, then the field: a prefix cache computes the text once."""
        if not (parts := self.parts(ask)):
            return ()
        text = f"{in_small_letters(shown_text(ask))}\n"
        sampling = Sampling(max_tokens=min(ask.output_tokens, _ANSWER_TOKENS))
        return tuple(
            Request(
                (Message("system", SYSTEM), Message("user", f"{text}Field: {LABELS[part.fields[0]]}")),
                sampling,
            )
            for part in parts
        )

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
        """The first value, or null for both."""
        evidence, value = (found[0].quote, found[0].value) if found else (None, None)
        return json.dumps({"evidence": evidence, "value": value}, ensure_ascii=False, separators=(",", ":"))

    def parse(self, ask: Ask, texts: Sequence[str]) -> Parsed:
        """A value is as sure as its evidence: HIGH where that stands in the text and holds the value."""
        return joined([_parsed(part, text) for part, text in zip(self.parts(ask), texts, strict=True)])


ONE_QUESTION = OneQuestion()


def _parsed(ask: Ask, text: str) -> Parsed:
    document = read_json(text, lambda value: isinstance(value, dict) and all(key in value for key in _KEYS))
    if document is None:
        return Parsed(problems=("it was no JSON object with evidence and value",), unread=ask.fields)
    complaints = tuple(
        f"the answer has the key {clean(str(key), 40)!r}" for key in document if key not in _KEYS
    )
    value, quote = text_of(document["value"]), text_of(document["evidence"], MOST_QUOTE_CHARACTERS)
    if not value:
        return Parsed(problems=("",), complaints=complaints)
    (key,) = ask.fields
    grounded = ground(shown(ask), quote or "")
    if grounded.span is None:
        found = Found(key, value, _only(ask, key), quote or "", None, "LOW")
    else:
        owner = _owner(ask, key, grounded.span.start)
        said = ask.company.text[grounded.span.start : grounded.span.end]
        # in the letters of the document, which the model did not see
        at = said.lower().find(value.lower()) if len(said.lower()) == len(said) else said.find(value)
        value = value if at < 0 else said[at : at + len(value)]
        found = Found(key, value, owner, said, grounded.span, "MEDIUM" if at < 0 else "HIGH")
    return Parsed((found,), problems=("",), complaints=complaints)


def _only(ask: Ask, key: str) -> str:
    """The one facility that was asked for, if it was one."""
    return ask.facilities[0].name if len(ask.facilities) == 1 and FIELDS[key].scope == "facility" else ""


def _owner(ask: Ask, key: str, at: int) -> str:
    if FIELDS[key].scope == "deal" or len(ask.facilities) < 2:
        return _only(ask, key)
    facility = facility_before(ask.company, ask.facilities, at)
    return "" if facility is None else facility.name
