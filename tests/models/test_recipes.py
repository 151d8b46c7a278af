"""What training draws as it goes on: easy examples first, harder ones late."""

import random

from harness.models.recipes import ANSWERS, FIELDS
from harness.models.tasks import fields_wording as wording
from harness.models.tasks.world import MOST_CONTRADICTED, contradicted

EASY, MIDDLE, LATE = -1, 0, 40


def contradictions(pool: int) -> set[str]:
    r = random.Random(2)
    turns = (turn for _ in range(1500) for turn in ANSWERS.draw(r, pool).turns)
    return {turn.about["entity"] for turn in turns if turn.about["kind"] == "conflict"}


def evidence(pool: int) -> list[str]:
    r = random.Random(2)
    made = [FIELDS.draw(r, pool) for _ in range(150)]
    found = [(one.text, turn.about.get("evidence", "")) for one in made for turn in one.turns]
    assert all(text in whole for whole, text in found)
    return [text for _, text in found if text]


def test_answers_are_contradicted_about_more_entities_late_and_about_none_at_first() -> None:
    assert contradictions(EASY) == set()
    assert contradictions(MIDDLE) == contradicted(0.25)
    assert contradictions(LATE) == contradicted(MOST_CONTRADICTED)


def test_fields_sees_invented_words_between_cue_and_value_only_late() -> None:
    lines = [*wording.SCRAMBLED, *(frame for frames in wording.FRAMES.values() for frame in frames)]
    lines += [cue for field in wording.FIELDS for cue in field.cues]
    known = {word.strip(":-").casefold() for line in lines for word in line.split()}

    def unknown(pool: int) -> float:
        """The share of evidence with an invented word before its last three words, which hold the value."""
        words = [[word.strip(":-").casefold() for word in text.split()[:-3]] for text in evidence(pool)]
        return sum(not known.issuperset(of_one) for of_one in words) / len(words)

    assert unknown(EASY) == unknown(MIDDLE) == 0
    assert unknown(LATE) > 0.2


def test_fields_has_short_passages_first() -> None:
    r = random.Random(3)
    easy, late = (sorted(len(FIELDS.draw(r, pool).text) for _ in range(60)) for pool in (EASY, LATE))
    assert easy[30] * 1.5 < late[30]
