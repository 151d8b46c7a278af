"""Task (a): what entries hold, what instructions ask for, and how answers are scored."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.example import Example, Split, Turn
from harness.models.tasks import entities
from harness.models.tasks.entities import HELD_OUT, TYPES

SPLITS: tuple[Split, ...] = ("train", "names", "templates")
# Written down again here, so that the instructions are read by other rules than they are made by.
NOUNS = {
    "person": "persons people person",
    "place": "places locations place",
    "organization": "organizations companies firms",
    "activity": "activities hobbies sports",
}
DIGEST = """
import hashlib, random
from harness.models.tasks import entities
r = random.Random(5)
made = [entities.example(r, s) for s in ("train", "names", "templates") for _ in range(30)]
made += entities.instructed(r, "names", (entities.TYPES, ("place",))) + [entities.copying(r)]
text = repr(made) + repr(list(entities.corpus(3, 20)))
print(hashlib.sha256(text.encode()).hexdigest())
"""


@cache
def examples(split: Split, count: int) -> tuple[Example, ...]:
    r = random.Random(f"entities {split}")
    return tuple(entities.example(r, split) for _ in range(count))


def words(text: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w+", text)}


def with_slots(made: Example) -> list[str]:
    """The sentences, with the letter of its slot in the place of every name."""
    text, letters = made.text, {kind: slot for slot, kind in entities._SLOTS.items()}
    for span in reversed(made.spans):
        text = text[: span.start] + letters[span.label] + text[span.end :]
    return [sentence for sentence in text.split(". ") if f"{sentence.rstrip('.')}." not in entities._FILLERS]


def asked_in(instruction: str) -> set[str]:
    """The types that an instruction asks for, by the words in its sentences."""
    asked: set[str] = set()
    for sentence in re.split(r"(?<=\.) ", instruction.lower()):
        named = {kind for kind, nouns in NOUNS.items() if words(sentence) & set(nouns.split())}
        if re.match("leave out|do not list|ignore", sentence):
            asked -= named
        elif named:
            asked |= named
        elif re.search("all entities|every entity|all four|all types", sentence):
            asked = set(TYPES)
        elif "entities" in sentence:
            asked = {"person", "place"}
    return asked


@pytest.mark.parametrize("split", SPLITS)
def test_spans_are_the_names_and_the_answer_lists_those_asked_for_in_order(split: Split) -> None:
    for made in examples(split, 400):
        (turn,) = made.turns
        asked = turn.about["asked"].split()
        assert asked == [kind for kind in TYPES if kind in asked]
        wanted: dict[str, list[str]] = {kind: [] for kind in asked}
        at = 0
        for span in made.spans:
            name = made.text[span.start : span.end]
            assert at <= span.start < span.end <= len(made.text)
            assert name == name.strip()
            assert (name.split()[-1] + " ")[0].isalpha()
            at = span.end
            if split != "train":
                assert set(name.split()) & set(HELD_OUT[span.label])
            if span.label in asked and name not in wanted[span.label]:
                wanted[span.label].append(name)
        found = json.loads(turn.answer)
        assert found == wanted
        assert list(found) == asked
        assert turn.question == ""


def test_no_held_out_name_is_in_training_data() -> None:
    banned = {name.casefold() for names in HELD_OUT.values() for name in names}
    assert len(banned) == sum(map(len, HELD_OUT.values()))
    r = random.Random(2)
    made = [*examples("train", 2000), *(entities.copying(r) for _ in range(200))]
    assert not banned & {word for one in made for word in words(one.text)}
    assert not banned & {word for text in entities.corpus(1, 300) for word in words(text)}
    assert banned <= {word for one in examples("names", 2000) for word in words(one.text)}


def test_held_out_sentences_are_in_the_templates_split_only() -> None:
    held = entities._HELD_OUT_CORES
    assert not set(held) & set(entities._CORES)
    for split, expected in (("train", False), ("names", False), ("templates", True)):
        for made in examples(split, 400):
            for sentence in with_slots(made):
                is_held = any(core.casefold() in sentence.casefold() for core in held)
                assert is_held is expected, sentence


def test_an_instruction_asks_for_the_types_that_its_words_name_add_and_take_away() -> None:
    r = random.Random(4)
    made = [entities.instruction(r) for _ in range(3000)]
    for instruction in made:
        assert set(instruction.asked) == asked_in(instruction.text), instruction.text
    texts = [instruction.text for instruction in made]
    for wording in ("Leave out", "Do not list", "Ignore", "Also ", "Include", "Add ", "count as well"):
        assert any(wording in text for text in texts)
    assert {len(instruction.asked) for instruction in made} == {0, 1, 2, 3, 4}


def test_the_plain_instruction_names_its_types() -> None:
    assert (
        entities.asking_for(("person", "place", "activity")) == "Extract the persons, places and activities."
    )
    assert entities.asking_for(("place",), "List") == "List the places."
    for kind in TYPES:
        assert asked_in(entities.asking_for((kind,))) == {kind}


def test_instructed_gives_the_same_entry_under_each_instruction() -> None:
    r = random.Random(6)
    for _ in range(50):
        everything, places, nothing = entities.instructed(r, "names", (TYPES, ("place",), ("activity",)))
        assert (
            (everything.text, everything.spans)
            == (places.text, places.spans)
            == (nothing.text, nothing.spans)
        )
        assert len({everything.system, places.system, nothing.system}) == 3
        assert json.loads(places.turns[0].answer) == {
            "place": json.loads(everything.turns[0].answer)["place"]
        }


def test_sentences_bound_the_length_and_a_copy_repeats_the_text() -> None:
    r = random.Random(8)
    assert all(entities.example(r, "train", 1).text.count(".") == 1 for _ in range(200))
    assert {entities.example(r, "train", 4).text.count(".") for _ in range(200)} == {1, 2, 3, 4}
    copied = entities.copying(r)
    assert copied.turns[0].answer == copied.text


GOLD = Turn("", '{"person":["Ann","Bo"],"place":["Rome"]}')


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (GOLD.answer, (3, 0, 0)),
        ('{"place":["Rome"],"person":["Bo","Ann","Ann"]}', (3, 0, 0)),
        ('{"person":["Ann"],"place":["Rome","Oslo"]}', (2, 1, 1)),
        ('{"person":["Rome"],"place":["Ann"]}', (0, 2, 3)),
        ('{"person":["Ann","Bo"],"activity":["Rome"]}', (2, 1, 1)),
        ("{}", (0, 0, 3)),
        (GOLD.answer[:-1], (0, 0, 3)),
        ('{"person":"Ann"}', (0, 0, 3)),
        ('{"person":["Ann",1]}', (0, 0, 3)),
        ('["Ann"]', (0, 0, 3)),
        ("[" * 100_000, (0, 0, 3)),
        ("", (0, 0, 3)),
        (None, (0, 0, 3)),
    ],
)
def test_pairs_are_counted(answer: str | None, expected: tuple[int, int, int]) -> None:
    assert entities.counts(answer, GOLD) == expected
    assert entities.is_right(answer, GOLD) is (expected == (3, 0, 0))


def test_scores_of_gold_of_half_and_of_junk() -> None:
    turns = [made.turns[0] for made in examples("names", 100)]
    gold = [turn.answer for turn in turns]
    assert entities.score(gold, turns) == entities.Scores(1.0, 1.0, 0, 100)
    assert entities.score([None] * 100, turns) == entities.Scores(0.0, 0.0, 100, 100)
    mixed = ['{"person":["Ann"],"place":["Oslo"]}', None]
    # 1 hit, 1 too many, 2 + 3 missed
    assert entities.score(mixed, [GOLD, GOLD]) == entities.Scores(2 / 8, 0.0, 1, 2)
    nothing = Turn("", "{}")
    assert entities.score(["{}"], [nothing]) == entities.Scores(1.0, 1.0, 0, 1)
    assert entities.score([None], [nothing]) == entities.Scores(1.0, 0.0, 1, 1)


def test_no_answers_or_a_wrong_number_of_them_have_no_score() -> None:
    with pytest.raises(ValueError, match="no answers"):
        entities.score([], [])
    with pytest.raises(ValueError, match="longer"):
        entities.score([None], [GOLD, GOLD])


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.none() | st.text(max_size=40) | JSON.map(json.dumps))
def test_any_output_is_counted(answer: str | None) -> None:
    hits, extra, missed = entities.counts(answer, GOLD)
    assert hits + missed == 3
    assert extra >= 0
    assert 0 <= entities.score([answer], [GOLD]).f1 <= 1


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(hash_seed: str) -> None:
    r = random.Random(5)
    made = [entities.example(r, split) for split in SPLITS for _ in range(30)]
    made += [*entities.instructed(r, "names", (TYPES, ("place",))), entities.copying(r)]
    text = repr(made) + repr(list(entities.corpus(3, 20)))
    other = subprocess.run(
        [sys.executable, "-c", DIGEST], env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert other.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()
