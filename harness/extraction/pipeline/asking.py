"""From what is to be looked at to an ask: what it shows, whom it names, how long it and its answer may be."""

from __future__ import annotations

from collections.abc import Sequence

from harness.extraction.asks import Ask, Facility, Passage, Reader
from harness.extraction.company import Company
from harness.extraction.pipeline.budget import Price
from harness.extraction.pipeline.settings import Seconds
from harness.extraction.schema.fields import FIELDS

_RULES_TOKENS = 500
_FIELD_TOKENS = 45
_FACILITY_TOKENS = 40
_LINE_NUMBERS = 1.25
"""What a prompt holds beside its text, at most: rules, each field's and facility's line, numbers of lines."""
_ANSWER_TOKENS = 128
_VALUE_TOKENS = 32
_LONGEST_ANSWER = 1024


def window_ask(
    company: Company,
    fields: Sequence[str],
    passages: Sequence[Passage],
    facilities: Sequence[Facility],
    reader: Reader,
) -> Ask:
    """Find the fields in the passages, for the facilities named."""
    return Ask(
        company,
        "window",
        tuple(fields),
        tuple(passages),
        tuple(facilities),
        output_tokens=answer_limit(fields, len(facilities), reader.context_tokens),
    )


def detection_ask(company: Company, passages: Sequence[Passage], reader: Reader) -> Ask:
    """Name the facilities that the passages speak of."""
    return Ask(
        company, "detection", (), tuple(passages), output_tokens=min(1024, max(1, reader.context_tokens // 4))
    )


def answer_limit(fields: Sequence[str], facilities: int, context_tokens: int) -> int:
    """The most tokens of an answer that gives every field of every facility; a quarter of the context at
    most."""
    values = sum(1 if FIELDS[field].scope == "deal" else max(1, facilities) for field in fields)
    return max(1, min(_ANSWER_TOKENS + _VALUE_TOKENS * values, _LONGEST_ANSWER, context_tokens // 4))


def text_room(reader: Reader, bundle_fields: int, most: int) -> int:
    """The tokens of text, `most` at most, that fit into a prompt with so many fields and its answer.

    Of a context too small for that, half: such readers are asked field by field, with shorter rules.
    """
    context = reader.context_tokens
    around = _RULES_TOKENS + _FIELD_TOKENS * bundle_fields + min(_LONGEST_ANSWER, context // 4)
    room = int((context - around) / _LINE_NUMBERS)
    return max(1, min(most, max(room, context // 2 if context < 2 * around else 0)))


def prompt_tokens(ask: Ask, text_tokens: int) -> int:
    """The most tokens of a prompt that shows so many tokens of text."""
    around = _RULES_TOKENS + _FIELD_TOKENS * len(ask.fields) + _FACILITY_TOKENS * len(ask.facilities)
    return around + round(_LINE_NUMBERS * text_tokens)


def price(ask: Ask, text_tokens: int, reader: Reader, seconds: Seconds | None) -> Price:
    """What it costs at most. A reader that takes several requests for an ask has each as long as the ask."""
    calls = reader.calls(ask)
    if seconds is None:
        return Price(calls)
    return Price(calls, calls * seconds(prompt_tokens(ask, text_tokens), ask.output_tokens))
