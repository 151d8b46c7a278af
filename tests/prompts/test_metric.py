"""Set F1 on typed pairs: its corners and symmetries, and what the feedback tells and keeps to itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prompts.examples import UNKNOWN_TYPE, Entity, EntityType, Example
from harness.prompts.metric import NOTHING, Score, by_type, feedback, score, total

TYPES = (
    EntityType(1, "person", "a human being"),
    EntityType(2, "place", "a spot on the map"),
    EntityType(3, "activity", "a pastime"),
)
MARTA, BERGEN, ROWING = Entity("Marta Igor", 1), Entity("Bergen", 2), Entity("rowing", 3)
EXAMPLE = Example("one", "Marta Igor went rowing in Bergen near the harbour.", (MARTA, BERGEN, ROWING))
QUIET = Example("two", "It rained.", ())

names = st.sampled_from(["Marta", " marta", "MARTA ", "Bergen", "bergen", "Oslo", "rowing", ""])
entities = st.builds(Entity, names, st.integers(-1, 4))
founds = st.none() | st.frozensets(entities, max_size=6)
examples = st.frozensets(st.builds(Entity, names.filter(str.strip), st.integers(1, 3)), max_size=6).map(
    lambda found: Example("any", "Marta Bergen Oslo rowing", tuple(sorted(found, key=repr)))
)
counts = st.builds(Score, *[st.integers(0, 50)] * 3)


@pytest.mark.parametrize(
    ("found", "counted", "f1"),
    [
        ({MARTA, BERGEN, ROWING}, (3, 0, 0), 1.0),
        ({Entity(" MARTA igor ", 1), Entity("bergen", 2)}, (2, 0, 1), 0.8),
        ({Entity("Marta Igor", 1), Entity("marta igor", 1)}, (1, 0, 2), 0.5),
        ({Entity("Marta Igor", 2)}, (0, 1, 3), 0.0),
        ({Entity("Marta", 1)}, (0, 1, 3), 0.0),
        ({MARTA, Entity("Oslo", 9)}, (1, 1, 2), 0.4),
        (set(), (0, 0, 3), 0.0),
        (None, (0, 0, 3), 0.0),
    ],
)
def test_pairs_are_counted(found, counted, f1):
    result = score(None if found is None else frozenset(found), EXAMPLE)
    assert result.counts == counted
    assert result.f1 == pytest.approx(f1)


def test_nothing_to_find_is_right_when_nothing_is_found():
    assert score(frozenset(), QUIET).f1 == 1.0
    assert score(frozenset([MARTA]), QUIET).f1 == 0.0


def test_an_unreadable_answer_is_never_right():
    assert score(None, QUIET) == Score(0, 1, 0)
    assert by_type(None, QUIET, TYPES)[UNKNOWN_TYPE] == Score(0, 1, 0)
    assert total([]) == NOTHING
    assert feedback(None, QUIET, TYPES).startswith("F1 0.00")
    assert "Not expected" not in feedback(None, QUIET, TYPES)


@given(examples)
def test_an_unreadable_answer_scores_nothing(example):
    assert score(None, example).f1 == 0.0


@given(counts)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(result):
    p, r = result.precision, result.recall
    assert 0.0 <= result.f1 <= 1.0
    assert result.f1 == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)
    assert (result.f1 == 1.0) == (result.false_positives + result.false_negatives == 0)


@given(founds, examples)
def test_types_add_up(found, example):
    parts = by_type(found, example, TYPES)
    assert total(parts.values()) == score(found, example)
    assert [each for each in parts if each in (1, 2, 3)] == [1, 2, 3]


@given(st.frozensets(entities, max_size=6), examples)
def test_found_and_expected_change_places(found, example):
    turned = score(frozenset(example.entities), Example("any", "", tuple(found)))
    straight = score(found, example)
    assert (turned.true_positives, turned.false_positives) == (
        straight.true_positives,
        straight.false_negatives,
    )
    assert turned.f1 == straight.f1


@given(examples, st.data())
def test_one_more_right_entity_never_scores_less(example, data):
    if not example.entities:
        return
    some = data.draw(st.frozensets(st.sampled_from(example.entities)))
    more = some | {data.draw(st.sampled_from(example.entities))}
    assert score(more, example).f1 >= score(some, example).f1


# --- feedback ---


def told(*found, reveal=False):
    return feedback(frozenset(found), EXAMPLE, TYPES, reveal=reveal)


def test_feedback_says_how_many_of_which_type():
    text = told(MARTA, Entity("Oslo", 2), Entity("rowing", 1))
    assert "F1 0.33 (precision 0.33, recall 0.33)." in text
    assert "Missed: 1 of type place." in text
    assert "Right name, wrong type: 1 of type activity answered as one of type person." in text
    assert "Not expected: 1 of type place." in text
    assert "Of these names, 1 do not stand in the entry as written." in text
    assert "cut too short" not in text


def test_feedback_names_the_type_that_was_left_out_and_tells_what_it_is():
    assert "Nothing was answered of type activity (a pastime)." in told(MARTA, BERGEN)
    assert "Nothing was answered" not in told(MARTA, BERGEN, ROWING)
    bare = (EntityType(1, "person", ""), EntityType(2, "place", "On a map."), EntityType(3, "activity", " "))
    text = feedback(frozenset(), EXAMPLE, bare)
    assert "Nothing was answered of type person or place (On a map) or activity." in text


def test_feedback_notices_names_cut_wrongly():
    text = told(Entity("Marta", 1), Entity("Bergen near", 2), Entity("harbour", 2))
    assert "Of these names, 2 are cut too short or too long." in text
    assert "do not stand" not in text


def test_feedback_on_the_right_and_on_the_unreadable():
    assert told(MARTA, BERGEN, ROWING) == "F1 1.00 (precision 1.00, recall 1.00). All found, nothing else."
    assert feedback(frozenset(), QUIET, TYPES).endswith("Nothing to find, and nothing was found.")
    text = feedback(None, EXAMPLE, TYPES)
    assert "no JSON in the form asked for" in text
    assert "Missed: 1 of type person, 1 of type place, 1 of type activity." in text
    assert "All found" not in feedback(None, QUIET, TYPES)


def test_feedback_on_a_type_that_does_not_exist():
    assert "1 of a type that does not exist" in told(Entity("harbour", 77))


def test_names_are_told_only_when_asked_for():
    found = (Entity("Marta", 1), Entity("bergen", 3), Entity('Os"lo', 2))
    kept, revealed = told(*found), told(*found, reveal=True)
    for name in ("marta", "bergen", "rowing", "os"):
        assert name not in kept.lower().replace("those", "")
    assert (
        'Expected: "Marta Igor" of type person, "Bergen" of type place, "rowing" of type activity.'
        in revealed
    )
    assert (
        'Missed: "Marta Igor" of type person, "rowing" of type activity, "Bergen" of type place.' in revealed
    )
    assert '"Os\\"lo" of type place' in revealed
    assert revealed.startswith(kept)


def test_a_very_long_name_is_cut():
    text = told(Entity("x" * 100_000, 1), reveal=True)
    assert len(text) < 1000


@given(founds, examples, st.booleans())
def test_feedback_never_fails_and_does_not_depend_on_order(found, example, reveal):
    text = feedback(found, example, TYPES, reveal=reveal)
    other = Example(example.id, example.text, tuple(reversed(example.entities)))
    assert text.startswith(f"F1 {score(found, example).f1:.2f}")
    if not reveal:
        assert text == feedback(found, other, TYPES)


@given(founds, examples)
def test_feedback_tells_no_expected_name(found, example):
    types = [EntityType(number, f"kind{number}", "") for number in (1, 2, 3)]
    text = feedback(found, example, types).lower()
    assert not any(each.name.strip().lower() in text for each in example.entities)
    assert json.dumps(text)
