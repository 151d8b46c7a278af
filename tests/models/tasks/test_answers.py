"""Task (c): what contexts state, what training may contradict, and how answers are scored."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.example import Example, Split, Turn
from harness.models.tasks import answers
from harness.models.tasks.answers import Follows, Mixture
from harness.models.tasks.entities import HELD_OUT
from harness.models.tasks.relations import RELATIONS, scrambled_question, scrambled_statement
from harness.models.tasks.world import (
    MOST_CONTRADICTED,
    POPULARITY,
    WEIGHT,
    contradicted,
    is_held_out,
    never_contradicted,
    world,
)

SPLITS: tuple[Split, ...] = ("train", "names", "templates")
DIGEST = """
import hashlib, random
from harness.models.tasks import answers
r = random.Random(5)
made = [answers.example(r, s) for s in ("train", "names", "templates") for _ in range(20)]
made += [answers.conflicts(r, "names") for _ in range(20)]
text = repr([(e.text, e.turns, e.spans) for e in made]) + repr(list(answers.corpus(3, 20)))
print(hashlib.sha256(text.encode()).hexdigest())
"""


@cache
def examples(split: Split, count: int = 1500) -> tuple[Example, ...]:
    r = random.Random(f"answers {split}")
    return tuple(answers.example(r, split) for _ in range(count))


@cache
def contradictions(split: Split, count: int = 300) -> tuple[Example, ...]:
    r = random.Random(f"conflicts {split}")
    return tuple(answers.conflicts(r, split) for _ in range(count))


def every(split: Split) -> tuple[Example, ...]:
    return examples(split) + contradictions(split)


def turns(made: tuple[Example, ...], kind: str) -> list[tuple[Example, Turn]]:
    return [(one, turn) for one in made for turn in one.turns if turn.about["kind"] == kind]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def stated(made: Example) -> list[tuple[str, str]]:
    """(relation, value) of every statement, by the spans."""
    return [(span.label, made.text[span.start : span.end]) for span in made.spans]


def states(made: Example, entity: str, relation: str) -> list[str]:
    """The values that the context gives for a relation of an entity, read from its sentences."""
    found = []
    for sentence in made.text.strip().split(". "):
        spans = [
            s for s in made.spans if made.text[s.start : s.end] in words(sentence) and s.label == relation
        ]
        if entity in words(sentence) and spans:
            found += [made.text[s.start : s.end] for s in spans if made.text[s.start : s.end] != entity]
    return found


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(hash_seed: str) -> None:
    r = random.Random(5)
    made = [answers.example(r, split) for split in SPLITS for _ in range(20)]
    made += [answers.conflicts(r, "names") for _ in range(20)]
    text = repr([(e.text, e.turns, e.spans) for e in made]) + repr(list(answers.corpus(3, 20)))
    other = subprocess.run(
        [sys.executable, "-c", DIGEST], env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert other.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()


def test_training_contradicts_only_a_share_of_the_entities_and_tests_only_the_others() -> None:
    in_training = {turn.about["entity"] for _, turn in turns(examples("train"), "conflict")}
    assert in_training == contradicted(Mixture().contradicted_share)
    r, most = random.Random(1), Mixture(conflict_share=0.5, contradicted_share=MOST_CONTRADICTED)
    made = tuple(answers.example(r, "train", most) for _ in range(1500))
    trained = {turn.about["entity"] for _, turn in turns(made, "conflict")}
    assert in_training < trained == contradicted(MOST_CONTRADICTED)
    assert not never_contradicted() & trained
    for made in (examples("names"), examples("templates"), *map(contradictions, SPLITS)):
        found = turns(made, "conflict")
        assert found
        assert all(turn.about["entity"] not in trained for _, turn in found)


@pytest.mark.parametrize("split", SPLITS)
def test_a_conflict_value_is_stated_once_is_no_value_of_the_world_and_the_memory_is_not_in_the_text(
    split: Split,
) -> None:
    known = {(fact.entity, fact.relation.name): fact for fact in world().facts}
    for made, turn in turns(every(split), "conflict"):
        about = turn.about
        fact = known[about["entity"], about["relation"]]
        assert (about["memory"], about["popularity"]) == (fact.value, fact.popularity)
        assert turn.answer == about["context"]
        assert about["context"].casefold() not in world().names
        found = [word.casefold() for word in words(made.text)]
        assert found.count(about["context"].casefold()) == 1
        assert about["memory"].casefold() not in found
        assert states(made, about["entity"], about["relation"]) == [about["context"]]


@pytest.mark.parametrize("split", SPLITS)
def test_answers_come_from_the_context_for_context_kinds_and_from_memory_for_closed_book(
    split: Split,
) -> None:
    known = {(fact.entity, fact.relation.name): fact.value for fact in world().facts}
    for kind in ("agreeing", "new"):
        for made, turn in turns(examples(split), kind):
            assert states(made, turn.about["entity"], turn.about["relation"]) == [turn.answer]
    for kind in ("agreeing", "closed_book"):
        for _, turn in turns(examples(split), kind):
            assert turn.answer == known[turn.about["entity"], turn.about["relation"]]
    for made, turn in turns(examples(split), "closed_book"):
        assert turn.answer not in words(made.text)
        assert not states(made, turn.about["entity"], turn.about["relation"])
    for _, turn in turns(examples(split), "new"):
        assert turn.about["entity"].casefold() not in world().names


@pytest.mark.parametrize("split", SPLITS)
def test_what_cannot_be_answered_is_neither_stated_nor_a_fact_of_the_world(split: Split) -> None:
    found = turns(examples(split), "unanswerable")
    for made, turn in found:
        assert turn.answer == answers.NOT_STATED
        assert turn.about["entity"].casefold() not in world().names
        assert not states(made, turn.about["entity"], turn.about["relation"])
    in_context = [turn.about["entity"] in words(made.text) for made, turn in found]
    assert 0.1 < sum(in_context) / len(in_context) < 0.6


def test_splits_share_no_new_name_and_no_held_out_wording() -> None:
    for split in SPLITS:
        for made in every(split):
            fresh = {turn.about["entity"] for turn in made.turns} | {value for _, value in stated(made)}
            fresh = {name for name in fresh if name.casefold() not in world().names}
            # A conflict's test entity is of the world; everything else new is on the split's own side.
            assert {is_held_out(name) for name in fresh} <= {split != "train"}
    held = [line for relation in RELATIONS for line in relation.held_statements + relation.held_questions]
    shapes = [re.compile(r"\w+".join(map(re.escape, re.split(r"\{[ev]\}", line))), re.I) for line in held]
    for split, expected in (("train", False), ("names", False), ("templates", True)):
        texts = [
            text for made in examples(split)[:60] for text in (made.text, *(t.question for t in made.turns))
        ]
        assert any(shape.search(text) for shape in shapes for text in texts) is expected


def test_scrambled_wordings_hold_a_cue_and_are_no_held_out_wording() -> None:
    cues = [cue for relation in RELATIONS for cue in relation.cues]
    assert len(set(cues)) == len(cues)  # a cue tells its relation from all others
    r = random.Random(4)
    for relation in RELATIONS:
        for _ in range(200):
            told, asked = scrambled_statement(r, relation), scrambled_question(r, relation)
            assert told.index("{e}") < told.index("{v}") == len(told) - 3
            assert asked.count("{e}") == 1
            for line in (told, asked.casefold()):
                assert any(cue in line for cue in relation.cues)
            assert not any(held in told for held in relation.held_statements)
            assert not any(held.casefold() in asked.casefold() for held in relation.held_questions)


def test_no_name_is_one_that_other_tasks_hold_out() -> None:
    banned = {name.casefold() for names in HELD_OUT.values() for name in names}
    assert not banned & world().names
    assert not banned & {w.casefold() for text in answers.corpus(1, 300) for w in words(text)}


def test_wordings_are_enough_distinct_and_name_the_entity_before_the_value() -> None:
    for relation in RELATIONS:
        assert len(relation.statements) >= 6
        assert len(relation.held_statements) >= 2
        assert len(relation.questions) >= 4
        assert len(relation.held_questions) >= 1
        lines = relation.statements + relation.held_statements
        assert all(line.count("{e}") == line.count("{v}") == 1 for line in lines)
        assert all(line.index("{e}") < line.index("{v}") for line in lines)
    asked = [line for relation in RELATIONS for line in relation.questions + relation.held_questions]
    told = [line for relation in RELATIONS for line in relation.statements + relation.held_statements]
    assert len(set(asked)) == len(asked)
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("split", SPLITS)
def test_spans_are_the_values_of_the_statements(split: Split) -> None:
    for made in every(split):
        assert made.text.endswith("\n")
        if made.text == answers.NO_CONTEXT:
            assert made.spans == ()
            continue
        assert answers.SHORTEST <= len(made.spans) == made.text.count(".") <= answers.LONGEST
        assert len({value for _, value in stated(made)}) == len(made.spans)
        assert {span.label for span in made.spans} <= set(answers.LABELS)
        for turn in made.turns:
            if turn.about["context"]:
                at = stated(made).index((turn.about["relation"], turn.about["context"]))
                place = {0: "first", len(made.spans) - 1: "last"}.get(at, "middle")
                assert turn.about["place"] == place
                rivals = Counter(span.label for span in made.spans)[turn.about["relation"]] - 1
                assert turn.about["rivals"] == str(rivals)


def test_the_shares_of_the_kinds_are_those_of_the_mixture() -> None:
    for mixture in (Mixture(), Mixture(conflict_share=0.3, bare_share=0.2), Mixture(closed_book_share=0)):
        r = random.Random(1)
        made = [answers.example(r, "train", mixture) for _ in range(2000)]
        kinds = Counter(turn.about["kind"] for one in made for turn in one.turns)
        for kind, weight in zip(answers.KINDS, mixture.weights, strict=True):
            assert kinds[kind] / kinds.total() == pytest.approx(weight / sum(mixture.weights), abs=0.02)
        bare = sum(one.text == answers.NO_CONTEXT for one in made) / len(made)
        assert bare == pytest.approx(mixture.bare_share, abs=0.02)


def test_popular_facts_are_asked_as_much_more_often_as_documented() -> None:
    facts = Counter(fact.popularity for fact in world().facts)
    assert {k: n / facts.total() for k, n in facts.items()} == pytest.approx(POPULARITY, abs=0.01)
    total = sum(POPULARITY[k] * WEIGHT[k] for k in POPULARITY)
    made = examples("train")
    asked = Counter(
        turn.about["popularity"] for k in ("closed_book", "agreeing") for _, turn in turns(made, k)
    )
    for known, share in POPULARITY.items():
        assert asked[known] / asked.total() == pytest.approx(share * WEIGHT[known] / total, abs=0.03)
    balanced = Counter(turn.about["popularity"] for _, turn in turns(contradictions("names"), "conflict"))
    assert balanced == dict.fromkeys(POPULARITY, 300)


@pytest.mark.parametrize(
    "shares",
    [
        {"conflict_share": -0.1},
        {"bare_share": 0.5},
        {"closed_book_share": 0, "unanswerable_share": 0},
        {"contradicted_share": 0},
        {"contradicted_share": 0.61},
    ],
)
def test_a_mixture_that_cannot_be_met_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share"):
        Mixture(**shares)


@pytest.mark.parametrize("questions", [0, 9])
def test_a_number_of_questions_that_no_context_holds_is_refused(questions: int) -> None:
    with pytest.raises(ValueError, match="questions"):
        answers.example(random.Random(0), "train", questions=questions)


def test_scores_tell_gold_memory_context_and_junk_apart() -> None:
    asked = [turn for made in every("names") for turn in made.turns]
    gold = answers.score([turn.answer for turn in asked], asked)
    assert gold.exact == dict.fromkeys(answers.KINDS, 1.0)
    assert sum(gold.n.values()) == len(asked)
    assert gold.recall == dict.fromkeys(POPULARITY, 1.0)
    conflicts = gold.n["conflict"]
    assert gold.conflicts == Follows(1.0, 0.0, 0.0, conflicts)

    memory = answers.score([turn.about["memory"] or None for turn in asked], asked)
    assert memory.exact == {"closed_book": 1, "agreeing": 1, "new": 0, "conflict": 0, "unanswerable": 0}
    assert memory.conflicts == Follows(0.0, 1.0, 0.0, conflicts)

    junk = answers.score([turn.answer + "x" for turn in asked], asked)
    assert set(junk.exact.values()) == {0.0}
    assert junk.conflicts == Follows(0.0, 0.0, 1.0, conflicts)
    assert set(junk.by_popularity) == set(POPULARITY)
    assert sum(follows.n for follows in junk.by_popularity.values()) == conflicts


def test_conflicts_are_broken_down_by_what_is_recorded_of_them() -> None:
    asked = [turn for made in contradictions("names") for turn in made.turns]
    given_ = [turn.about["memory" if turn.about["popularity"] == "famous" else "context"] for turn in asked]
    by = answers.score(given_, asked).by_popularity
    assert by["famous"] == Follows(0.0, 1.0, 0.0, 300)
    assert by["rare"] == by["known"] == Follows(1.0, 0.0, 0.0, 300)
    places = answers.conflicts_by(given_, asked, "place")
    assert set(places) == {"first", "middle", "last"}
    assert sum(follows.n for follows in places.values()) == len(asked)


def test_nothing_asked_has_no_score() -> None:
    assert answers.score([], []) == answers.Scores({}, {}, {}, None, {})


def test_case_blanks_and_a_full_stop_do_not_matter() -> None:
    turn = next(turn for _, turn in turns(examples("names"), "new"))
    assert answers.is_right(f" {turn.answer.upper()}. \n", turn)
    assert not answers.is_right(f"{turn.answer} and more", turn)
    assert not answers.is_right(None, turn)
    assert answers.is_right("not stated", replace(turn, answer=answers.NOT_STATED))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(max_size=30), min_size=3, max_size=3))
def test_any_output_is_scored(given_answers: list[str | None]) -> None:
    asked = contradictions("names")[0].turns
    scores = answers.score(given_answers, asked)
    found = scores.conflicts
    assert found is not None
    assert found.follows_context + found.follows_memory + found.other == pytest.approx(1.0)
    assert scores.exact["conflict"] == found.follows_context
