"""What a real reader makes of labelled passages: observations to fit noise to.

Each question shows one stretch of a company's text, of a length that is drawn, with one value that is wholly
in it, at a place that is drawn too.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.extraction.asks import Ask, Facility, Passage, Reader, Reply
from harness.extraction.company import Company
from harness.extraction.reading.knowing import asked_for
from harness.extraction.reading.noise import Outcome, Situation
from harness.extraction.reading.noise_fit import Observation
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL, TrueValue, Truth
from harness.extraction.values import same

_CHARACTERS = 4
_OUTPUT_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Question:
    """An ask about a value that it shows: of `owner` and of the first of the ask's fields."""

    ask: Ask
    owner: str
    true: TrueValue
    situation: Situation


def questions(
    truths: Sequence[Truth],
    count: int,
    seed: int,
    *,
    tokens: tuple[int, int] = (128, 700),
    fields: tuple[int, ...] = (1,),
    keys: Sequence[str] | None = None,
) -> list[Question]:
    """Up to `count` questions over all companies in turn, each value at most once.

    `tokens` bounds the length of the text shown, of four characters each; `fields` are the numbers of fields
    that are asked for together, of which one is looked at. `keys` are the fields that the reader knows.
    """
    r = random.Random(f"observe {seed}")
    waiting = []
    for truth in truths:
        values = [
            (owner, key, true)
            for (owner, key), true in sorted(truth.values.items())
            if keys is None or key in keys
        ]
        waiting.append((truth, r.sample(values, len(values))))
    found: list[Question] = []
    while len(found) < count and any(values for _, values in waiting):
        for truth, values in waiting:
            if values and len(found) < count:
                owner, key, true = values.pop()
                question = _question(r, truth, owner, key, true, r.randint(*tokens), r.choice(fields), keys)
                if question is not None:
                    found.append(question)
    return found


def observe(reader: Reader, asked: Sequence[Question]) -> list[Observation]:
    """Put the questions to the reader. Those that it has no prompt for, and those whose answers cannot be
    read, give no observation. Raises EngineFailure when its engine fails."""
    answerable = [question for question in asked if reader.calls(question.ask) > 0]
    replies = reader.answers([question.ask for question in answerable])
    return [
        Observation(question.situation, outcome(question, reply))
        for question, reply in zip(answerable, replies, strict=True)
        if not reply.unreadable and question.ask.fields[0] not in reply.unread
    ]


def outcome(question: Question, reply: Reply) -> Outcome:
    """What the reply makes of the value; of several answers for it one that is right counts."""
    key = question.ask.fields[0]
    values = [
        found.value for found in reply.found if found.field == key and found.facility in ("", question.owner)
    ]
    if not values:
        return "missed"
    true = question.true
    forms = (true.value, *true.renderings)
    return "right" if any(same(FIELDS[key], form, value) for form in forms for value in values) else "wrong"


def _question(
    r: random.Random,
    truth: Truth,
    owner: str,
    key: str,
    true: TrueValue,
    tokens: int,
    count: int,
    keys: Sequence[str] | None,
) -> Question | None:
    """None where no minimal set fits into a text of that length."""
    size = _CHARACTERS * tokens
    sets = [
        (min(span.start for span in spans), max(span.end for span in spans)) for spans in true.spans if spans
    ]
    sets = [(start, end) for start, end in sets if end - start <= size]
    if not sets:
        return None
    start, end = r.choice(sets)
    passage = _around(r, truth.company, start, end, size)
    others = [other for other in (keys or FIELDS) if other != key]
    fields = (key, *r.sample(others, min(count - 1, len(others))))
    facilities = () if owner == DEAL else tuple(each for each in truth.facilities if each.name == owner)
    facilities = facilities or (() if owner == DEAL else (Facility(owner),))
    ask = Ask(truth.company, "window", fields, (passage,), facilities, output_tokens=_OUTPUT_TOKENS)
    position = (start - passage.start) / max(1, passage.end - passage.start)
    distractors = _distractors(truth, owner, key, true, passage)
    situation = Situation(asked_for(ask), (passage.end - passage.start) / _CHARACTERS, position, distractors)
    return Question(ask, owner, true, situation)


def _around(r: random.Random, company: Company, start: int, end: int, size: int) -> Passage:
    """A stretch of `size` characters with [start, end) in it, its ends moved inwards to the next line break
    where one is near."""
    text = company.text
    begin = r.randint(max(0, end - size), start)
    stop = min(len(text), begin + size)
    near = size // 6
    after = text.find("\n", begin, min(start, begin + near))
    before = text.rfind("\n", max(end, stop - near), stop)
    return Passage(after + 1 if after >= 0 and begin else begin, before if before >= 0 else stop)


def _distractors(truth: Truth, owner: str, key: str, true: TrueValue, passage: Passage) -> int:
    """Other values that stand in the passage: of this field's distractors, and of sister facilities."""

    def is_shown(span: Passage) -> bool:
        return passage.start <= span.start and span.end <= passage.end

    own = {
        (span, value)
        for _, span, value in true.distractors
        if value not in ("", true.value) and is_shown(span)
    }
    for (other, field), sister in truth.values.items():
        if field == key and other not in (owner, DEAL) and sister.value != true.value:
            own |= {
                (min(spans), sister.value) for spans in sister.spans if spans and all(map(is_shown, spans))
            }
    return len(own)
