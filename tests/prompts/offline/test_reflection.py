"""The reflection model by rule."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.protocol import Message, Request
from harness.prompts.examples import EntityType
from harness.prompts.generate import TYPES, generate
from harness.prompts.metric import feedback
from harness.prompts.offline.nouns import asking_for, named
from harness.prompts.offline.reflection import current_instruction, feedbacks, improver, rule_reflection
from harness.prompts.optimize.reflection import read_reply, reflection_prompt

NAMES = [each.name for each in TYPES]
SET = generate(12, seed=7)


def prompt(instruction: str, said: list[str]) -> tuple[Message, ...]:
    records = [{"Inputs": "persons", "Generated Outputs": "places", "Feedback": each} for each in said]
    return reflection_prompt(instruction, records)


def dspy_prompt(instruction: str, said: list[str]) -> tuple[Message, ...]:
    """As dspy 3.4.1's proposer asks."""
    records = [
        {"Inputs": {"t": "persons"}, "Generated Outputs": {"f": []}, "Feedback": each} for each in said
    ]
    return (
        Message(
            "system",
            "Your output fields are:\n1. `new_instruction` (str): The new instruction.\n\n"
            "[[ ## current_instruction ## ]]\n{current_instruction}\n\n[[ ## examples_with_feedback ## ]]\n",
        ),
        Message(
            "user",
            f"[[ ## current_instruction ## ]]\n{instruction}\n\n[[ ## examples_with_feedback ## ]]\n"
            f"{json.dumps(records)}\n\nRespond with a JSON object: `new_instruction`.",
        ),
    )


@given(st.sets(st.sampled_from(NAMES)), st.integers(0, 11))
def test_one_missing_type_is_added_at_a_time(asked: set[str], number: int) -> None:
    example = SET.examples[number]
    ids = {each.id for each in TYPES if each.name in asked}
    found = frozenset(each for each in example.entities if each.type_id in ids)
    current = asking_for([each for each in NAMES if each in asked]) if asked else "Extract entities."
    reply = improver(TYPES)(prompt(current, [feedback(found, example, TYPES)]))
    missing = {each.type_id for each in example.entities} - ids
    read = read_reply(reply, current)
    if not missing:
        assert read.unusable == "unchanged"
        return
    added = set(named(read.instruction, NAMES)) - asked
    assert len(added) == 1
    assert {each.id for each in TYPES if each.name in added} <= missing
    assert set(named(read.instruction, NAMES)) > asked or not asked


def test_the_type_that_most_examples_miss_comes_first() -> None:
    said = ["Missed: 2 of type activity.", "Missed: 1 of type person, 1 of type activity."]
    reply = improver(TYPES)(prompt("Go on.", said))
    assert read_reply(reply, "").instruction == "Go on. Also extract activities."


def test_the_way_to_an_instruction_does_not_show() -> None:
    made = set()
    for order in itertools.permutations(["person", "place", "activity"]):
        current = "Go on."
        for kind in order:
            reply = improver(TYPES)(prompt(current, [f"Missed: 1 of type {kind}."]))
            current = read_reply(reply, current).instruction
        made.add(current)
    assert made == {"Go on. Also extract persons. Also extract places. Also extract activities."}


@given(st.text("ab\n\"{}'", max_size=40), st.lists(st.text('ab"\\\n[]', max_size=30), max_size=3))
def test_both_prompts_are_read_alike(instruction: str, said: list[str]) -> None:
    for made in (prompt(instruction, said), dspy_prompt(instruction, said)):
        text = "\n\n".join(each.content for each in made)
        assert current_instruction(text) == instruction
        assert feedbacks(text) == said


def test_each_is_answered_as_it_asks() -> None:
    said = ["Missed: 1 of type place."]
    answer = improver(TYPES)
    better, current = "Extract the persons and places.", "Extract the persons."
    assert f"```\n{better}\n```" in answer(prompt(current, said))
    assert json.loads(answer(dspy_prompt(current, said))) == {"new_instruction": better}


def test_a_useless_one_only_numbers_revisions() -> None:
    engine = rule_reflection(TYPES, useless=True)
    current = "Extract entities."
    for number in range(1, 4):
        request = Request(prompt(current, ["Missed: 1 of type place."]))
        current = read_reply(engine.submit(request).result().text, current).instruction
        assert current == f"Extract entities. (revision {number})"
    engine.close()


@pytest.mark.parametrize("text", ["", "no prompt at all", "<current_instruction>\nx"])
def test_any_other_text_is_answered_too(text: str) -> None:
    reply = improver([EntityType(1, "person", "")])((Message("user", text),))
    assert read_reply(reply, "").unusable == "empty"
