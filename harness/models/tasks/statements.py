"""What a line of a loan document states: invented lines, and which of 71 things each says of which facility.

A line is a statement, or it only mentions a thing (its waiver, a blank form, a worked example, another
place), or it is filler. The answer is `margin|Facility B|2.35 %`, or `-` where nothing is stated. Facility
and value are copied; a yes or no is said; a table's value is left out, since whoever asks has its rows. All
by `random.Random`.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.example import Example, Split, Turn
from harness.models.tasks import statements_values as drawn
from harness.models.tasks.statements_lines import FACILITY_TAG
from harness.models.tasks.statements_lines import line as draw_line
from harness.models.tasks.statements_wording import THINGS

__all__ = [
    "CODES",
    "FACILITY_TAG",
    "SYSTEM",
    "Scores",
    "Stated",
    "corpus",
    "counts",
    "example",
    "is_right",
    "parse",
    "score",
]

SYSTEM = "Say what each line states."
CODES: tuple[str, ...] = tuple(thing.code for thing in THINGS)
_ANSWER = re.compile(r"-|([a-z]+)\|([^|\n]*)\|([^|\n]*)")


@dataclass(frozen=True, slots=True)
class Stated:
    """What an answer says of a line. `facility` and `value` are empty where the line gives none."""

    code: str
    facility: str
    value: str


def example(r: random.Random, split: Split) -> Example:
    """A line, and the one turn that answers it. `spans` are the value, labelled by its code, and the
    facility."""
    line = draw_line(r, split, r.choice(THINGS), drawn.facilities(r, split))
    answer = f"{line.code}|{line.facility}|{line.value}" if line.code else "-"
    return Example(SYSTEM, line.text, (Turn("", answer),), line.places)


def corpus(seed: int, count: int) -> Iterator[str]:
    """Passages and answers of `count` training examples: what a tokenizer is trained on."""
    r = random.Random(f"statements corpus {seed}")
    for _ in range(count):
        sample = example(r, "train")
        yield sample.text
        yield sample.turns[0].answer


def parse(answer: str | None) -> tuple[Stated, ...] | None:
    """What an answer says: one statement or none; None when it is not of this form."""
    match = _ANSWER.fullmatch(answer or "")
    if match is None:
        return None
    return (Stated(match[1], match[2], match[3]),) if match[1] else ()


def counts(answer: str | None, turn: Turn) -> tuple[int, int, int]:
    """(true positives, false positives, false negatives) of the statement; an unreadable answer says none."""
    gold, found = set(parse(turn.answer) or ()), set(parse(answer) or ())
    return len(gold & found), len(found - gold), len(gold - found)


def is_right(answer: str | None, turn: Turn) -> bool:
    """Whether the answer says exactly what the line states."""
    found = parse(answer)
    return found is not None and found == parse(turn.answer)


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares in [0, 1]; None where there is nothing to take a share of.

    f1: over statements, code, facility and value all right. things_f1: over statements by their code alone.
    empty_kept: of the lines that state nothing, those of which nothing is said. unreadable: over all
    answers; such an answer says nothing.
    """

    f1: float | None
    things_f1: float | None
    empty_kept: float | None
    unreadable: float


def score(answers: Sequence[str | None], turns: Sequence[Turn]) -> Scores:
    """Score answers against their turns; ValueError when there is none or the lengths differ."""
    if not turns:
        raise ValueError("there is no answer to score")
    whole, things = Counter[str](), Counter[str]()
    empty = kept = unreadable = 0
    for answer, turn in zip(answers, turns, strict=True):
        said, gold = parse(answer), parse(turn.answer) or ()
        unreadable += said is None
        found = said or ()
        whole += _hits(set(found), set(gold))
        things += _hits({each.code for each in found}, {each.code for each in gold})
        empty += not gold
        kept += not gold and said == ()
    return Scores(_f1(whole), _f1(things), kept / empty if empty else None, unreadable / len(turns))


def _hits(found: set[Any], gold: set[Any]) -> Counter[str]:
    return Counter(true=len(found & gold), false=len(found - gold), missed=len(gold - found))


def _f1(counted: Counter[str]) -> float | None:
    total = 2 * counted["true"] + counted["false"] + counted["missed"]
    return 2 * counted["true"] / total if total else None
