"""Field extraction with evidence: invented credit passages, questions about them, and the score.

A passage states 8 to 12 of the 24 fields, one clause each, among lookalikes (a security agent beside the
facility agent) and filler, in random order. A question names one field; about ABSENT_SHARE of them name one
that the passage does not state. The answer is JSON, evidence first:
`{"evidence":"margin is 2.35 %","value":"2.35 %"}`, or null for both. Evidence is the verbatim stretch from
the field's cue to its value. All by `random.Random`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.example import Example, Span, Split, Turn
from harness.models.tasks import fields_wording as wording
from harness.models.tasks import names
from harness.models.tasks.fields_values import value
from harness.models.tasks.fields_wording import FIELDS, Field

__all__ = ["FIELDS", "Field", "Scores", "corpus", "estimated_tokens", "example", "is_right", "score"]

SYSTEM = "Find the field in the text. Answer in JSON."
ABSENT_SHARE = 0.35
LENGTH = (265, 345)
STATED = (8, 12)
LOOKALIKES = (2, 3)
_FILLERS = 2
SCRAMBLED_SHARE = 0.4
_OPENING_SHARE, _TAIL_SHARE, _BREAK_SHARE, _HEADING_SHARE = 0.2, 0.25, 0.25, 0.15


@dataclass(frozen=True, slots=True)
class _Clause:
    """A sentence; of a field's clause also where, within it, the evidence starts and the value lies."""

    text: str
    field: Field | None = None
    evidence: int = 0
    start: int = 0
    end: int = 0


def example(
    r: random.Random,
    split: Split,
    questions: int = 8,
    length: tuple[int, int] = LENGTH,
    stated: tuple[int, int] = STATED,
    lookalikes: tuple[int, int] = LOOKALIKES,
    scrambled: tuple[float, float] = (SCRAMBLED_SHARE, 0.0),
) -> Example:
    """A passage with its questions. `spans` are the values, labelled by field key.

    `length`: bounds of the passage's estimated tokens; soft above, where the last sentence, or many stated
    fields, may pass it. `stated`, `lookalikes`: bounds of how many there are, together at most 24.
    `scrambled`: in training, the share of clauses of any words, and of invented ones among these words.
    """
    order = r.sample(FIELDS, len(FIELDS))
    count = r.randint(*stated)
    present, absent = order[:count], order[count:]
    similar = r.sample(absent, r.randint(*lookalikes))
    clauses = [_stated(r, split, field, scrambled) for field in present]
    clauses += [_stated(r, split, field, scrambled, is_lookalike=True) for field in similar]
    _pad(r, clauses, r.randint(*length))
    r.shuffle(clauses)
    text, places = _layout(r, clauses)
    asked = _asked(r, present, absent, similar, questions)
    spans = tuple(Span(start, end, field.key) for field, (_, start, end) in places.items())
    return Example(
        SYSTEM, text + "\n", tuple(_turn(text, field, places.get(field)) for field in asked), spans
    )


def estimated_tokens(text: str) -> int:
    """Roughly the tokens of `text` for a BPE of 1,024 tokens that keeps blanks, digits and signs single.

    A word is one token; long ones, and capitalised ones, which are often invented, are more.
    """
    single = sum(not character.isalpha() for character in text)
    words = "".join(c if c.isalpha() else " " for c in text).split()
    return single + sum(1 + len(word) // (4 if word[0].isupper() else 10) for word in words)


def corpus(seed: int, count: int) -> Iterator[str]:
    """Passages, questions and answers of `count` training examples: what a tokenizer is trained on."""
    r = random.Random(seed)
    for _ in range(count):
        sample = example(r, "train")
        yield sample.text
        for turn in sample.turns:
            yield turn.question
            yield turn.answer


def _stated(
    r: random.Random,
    split: Split,
    field: Field,
    scrambled: tuple[float, float],
    is_lookalike: bool = False,
) -> _Clause:
    """A clause that states the field, or something similar to it, in words and values of the split."""
    is_new = split == "templates"
    cue = r.choice(field.lookalikes if is_lookalike else field.cues)
    family = wording.FAMILY[field.kind]
    frame = _frame(r, split, family, scrambled)
    openings = wording.HELD_OPENINGS if is_new else wording.OPENINGS
    opening = r.choice(openings) if "{Cue}" not in frame and r.random() < _OPENING_SHARE else ""
    tail = r.choice(wording.HELD_TAILS if is_new else wording.TAILS) if r.random() < _TAIL_SHARE else ""
    found = value(r, field, is_held=split != "train")
    filled = frame.replace("{a}", "an" if cue[0] in "aeiou" else "a")
    filled = filled.replace("{Cue}", _capital(cue)).replace("{cue}", cue)
    body = opening + filled.replace("{value}", found)
    start = len(body) - len(found)
    evidence = body.lower().index(cue, len(opening))
    return _Clause(_capital(body) + tail + ".", None if is_lookalike else field, evidence, start, len(body))


def _frame(r: random.Random, split: Split, family: wording.Family, scrambled: tuple[float, float]) -> str:
    """A frame of the split; in training sometimes any words around the cue, so that evidence is copied."""
    if split == "templates":
        return r.choice(wording.HELD_FRAMES[family])
    share, invented = scrambled
    if split == "names" or r.random() >= share:
        return r.choice(wording.FRAMES[family])
    while True:
        before, between = (_any_words(r, r.randint(0, most), invented) for most in (2, 5))
        frame = " ".join([*before, r.choice(("the {cue}", "{cue}")), *between, "{value}"])
        if not any(frame.endswith(held) for held in wording.HELD_FRAMES[family]):
            return frame


def _any_words(r: random.Random, count: int, invented: float) -> list[str]:
    words = r.choices(wording.SCRAMBLED, k=count)
    return [names.word(r, 1, 2) if invented and r.random() < invented else word for word in words]


def _pad(r: random.Random, clauses: list[_Clause], target: int) -> None:
    """Add filler sentences, no two alike: _FILLERS, and more until the estimate reaches the target."""
    size = sum(estimated_tokens(clause.text) for clause in clauses)
    seen: set[str] = set()
    while size < target or len(seen) < _FILLERS:
        text = _filler(r)
        if text not in seen:
            seen.add(text)
            clauses.append(_Clause(text))
            size += estimated_tokens(text)


def _filler(r: random.Random) -> str:
    if r.random() < 0.2:
        return r.choice(wording.FILLERS) + "."
    parts = wording.FILLER_SUBJECTS, wording.FILLER_VERBS, wording.FILLER_OBJECTS
    return " ".join(r.choice(part) for part in parts) + "."


def _layout(r: random.Random, clauses: Sequence[_Clause]) -> tuple[str, dict[Field, tuple[int, int, int]]]:
    """The passage, and for each field stated: where its evidence starts, its value starts and ends."""
    text = ""
    places: dict[Field, tuple[int, int, int]] = {}
    for clause in clauses:
        is_break = r.random() < _BREAK_SHARE
        if text:
            text += "\n" if is_break else " "
        if is_break and r.random() < _HEADING_SHARE:
            text += ("\n" if text else "") + r.choice(wording.HEADINGS) + "\n"
        if clause.field:
            at = len(text)
            places[clause.field] = at + clause.evidence, at + clause.start, at + clause.end
        text += clause.text
    return text, places


def _asked(
    r: random.Random, present: Sequence[Field], absent: Sequence[Field], similar: Sequence[Field], count: int
) -> list[Field]:
    """Fields to ask for, none twice; an absent one comes evenly from those with and without a lookalike."""
    here, similar = r.sample(present, len(present)), list(similar)
    missing = [field for field in r.sample(absent, len(absent)) if field not in similar]
    asked: list[Field] = []
    for _ in range(min(count, len(FIELDS))):
        is_absent = r.random() < ABSENT_SHARE
        first, second = (similar, missing) if r.random() < 0.5 else (missing, similar)
        pools = (first, second, here) if is_absent else (here, first, second)
        asked.append(next(pool for pool in pools if pool).pop())
    return asked


def _turn(text: str, field: Field, place: tuple[int, int, int] | None) -> Turn:
    """The question for one field; `about` has empty value and evidence when the field is absent."""
    about = {"field": field.key, "kind": field.kind, "value": "", "evidence": ""}
    found: dict[str, str | None] = {"evidence": None, "value": None}
    if place:
        evidence, start, end = place
        found = {"evidence": text[evidence:end], "value": text[start:end]}
        about |= {"evidence": text[evidence:end], "value": text[start:end]}
    answer = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    return Turn(f"Field: {field.label}", answer, about)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares in [0, 1]; None where there is nothing to take a share of.

    value_exact_match and evidence_exact: over present fields. absent_recognised: over absent fields, both
    null. evidence_grounded: of the answers that give a value, those whose evidence is verbatim in the
    passage and holds the value; None without passages. invalid_json: over all answers, a missing one
    included.
    """

    value_exact_match: float | None
    absent_recognised: float | None
    evidence_exact: float | None
    evidence_grounded: float | None
    invalid_json: float | None
    n_present: int
    n_absent: int


def score(
    answers: Sequence[str | None], turns: Sequence[Turn], passages: Sequence[str] | None = None
) -> Scores:
    """Score answers against their turns; `passages[i]` is the text that turn i was asked about.

    Raises ValueError when the lengths differ. A None answer is a wrong answer.
    """
    parsed = [_parse(answer) for answer in answers]
    pairs = list(zip(parsed, turns, strict=True))
    present = [(found, turn) for found, turn in pairs if turn.about["value"]]
    absent = [found for found, turn in pairs if not turn.about["value"]]
    grounded = None
    if passages is not None:
        given = [
            (*found, passage) for found, passage in zip(parsed, passages, strict=True) if found and found[1]
        ]
        grounded = _share([bool(e) and v in e and e in passage for e, v, passage in given])
    return Scores(
        value_exact_match=_share([_holds(found, turn, 1) for found, turn in present]),
        absent_recognised=_share([found == ("", "") for found in absent]),
        evidence_exact=_share([_holds(found, turn, 0) for found, turn in present]),
        evidence_grounded=grounded,
        invalid_json=_share([found is None for found in parsed]),
        n_present=len(present),
        n_absent=len(absent),
    )


def is_right(answer: str | None, turn: Turn) -> bool:
    """Whether the answer gives exactly the field's value, or null for both parts of an absent field."""
    found = _parse(answer)
    return _holds(found, turn, 1) if turn.about["value"] else found == ("", "")


def _holds(found: tuple[str, str] | None, turn: Turn, part: int) -> bool:
    return found is not None and found[part] == turn.about[("evidence", "value")[part]]


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _parse(answer: str | None) -> tuple[str, str] | None:
    """(evidence, value) of a well-formed answer, two empty strings for two nulls; else None."""
    try:
        pairs: Any = json.loads(answer or "", object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(pairs, tuple) and len(pairs) == 2):
        return None
    found = dict(pairs)
    if found == {"evidence": None, "value": None}:
        return "", ""
    evidence, text = found.get("evidence"), found.get("value")
    if isinstance(evidence, str) and isinstance(text, str) and evidence and text:
        return evidence, text
    return None
