"""The scripted task model: what the instruction names is found, and nothing else."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.protocol import Message, Sampling
from harness.prompts.examples import Entity, ExampleSet
from harness.prompts.generate import generate
from harness.prompts.offline.nouns import asking_for
from harness.prompts.offline.scripted import EXACT, WRITERS, Precision, finder, scripted_model
from harness.prompts.program import FORMATS, NAMES_BY_TYPE, TYPED_LIST, AnswerFormat, Program

SET = generate(20, seed=3)
NAMES = [each.name for each in SET.types]
EVERY = asking_for(NAMES)


def answers(
    form: AnswerFormat, instruction: str, precision: Precision = EXACT, examples: ExampleSet = SET
) -> list[frozenset[Entity] | None]:
    answer = finder(SET, WRITERS[form.name], precision)
    chats = [form.render(instruction, examples.types, each.text) for each in examples.examples]
    return [form.parse(answer(chat), examples.types) for chat in chats]


@given(st.sampled_from(sorted(FORMATS)), st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
def test_it_finds_what_the_instruction_names(form: str, asked: list[str]) -> None:
    ids = {each.id for each in SET.types if each.name in asked}
    wanted = [frozenset(entity for entity in each.entities if entity.type_id in ids) for each in SET.examples]
    assert answers(FORMATS[form], asking_for(asked)) == wanted


@pytest.mark.parametrize("form", [TYPED_LIST, NAMES_BY_TYPE])
def test_a_poor_instruction_finds_nothing(form: AnswerFormat) -> None:
    assert answers(form, "Extract entities.") == [frozenset()] * len(SET.examples)


def test_it_knows_its_examples_alone() -> None:
    others = generate(5, seed=4)
    assert answers(TYPED_LIST, EVERY, examples=others) == [frozenset()] * 5


def test_a_text_is_known_inside_json_and_inside_other_words() -> None:
    example = SET.examples[0]
    answer = finder(SET, WRITERS[TYPED_LIST.name])
    for message in (f"Entry: {example.text}\nGo.", json.dumps({"text": example.text})):
        said = answer((Message("system", EVERY), Message("user", message)))
        assert TYPED_LIST.parse(said, SET.types) == frozenset(example.entities)


def test_in_dspys_chat_the_instruction_is_what_follows_objective() -> None:
    answer = finder(SET, WRITERS[TYPED_LIST.name])
    system = f"Fields: persons, places.\nyour objective is: \n        {asking_for(['activity'])}"
    said = answer((Message("system", system), Message("user", SET.examples[0].text)))
    found = TYPED_LIST.parse(said, SET.types) or frozenset()
    assert {each.type_id for each in found} <= {4}


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_a_coarser_precision_errs_the_same_way_each_time(less: float, more: float, seed: int) -> None:
    less, more = sorted((less, more))
    few, many = (answers(NAMES_BY_TYPE, EVERY, Precision(dropped=share, seed=seed)) for share in (less, more))
    assert few == answers(NAMES_BY_TYPE, EVERY, Precision(dropped=less, seed=seed))
    assert all((a or frozenset()) >= (b or frozenset()) for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_shares_are_as_given(share: float) -> None:
    texts = generate(300, seed=5)
    answer = finder(texts, WRITERS[TYPED_LIST.name], Precision(dropped=share / 2, mistyped=share / 2))
    kept = right = whole = 0
    for each in texts.examples:
        said = answer((Message("system", EVERY), Message("user", each.text)))
        items = json.loads(said)
        whole += len(each.entities)
        kept += len(items)
        right += len({Entity(i["name"], i["entity_type_id"]) for i in items} & set(each.entities))
    assert kept / whole == pytest.approx(1 - share / 2, abs=0.05)
    assert right / whole == pytest.approx(1 - share, abs=0.05)


def test_other_instructions_meet_other_errors() -> None:
    precision = Precision(dropped=0.5, seed=1)
    assert answers(TYPED_LIST, EVERY, precision) != answers(TYPED_LIST, f"{EVERY} All.", precision)


def test_as_an_engine_it_answers_requests() -> None:
    engine = scripted_model(SET, NAMES_BY_TYPE)
    requests = Program(EVERY, NAMES_BY_TYPE).requests(SET, Sampling(max_tokens=1024))
    order = list(range(len(requests)))
    random.Random(0).shuffle(order)
    tickets = {number: engine.submit(requests[number]) for number in order}
    found = [NAMES_BY_TYPE.parse(tickets[number].result().text, SET.types) for number in range(len(requests))]
    engine.close()
    assert found == [frozenset(each.entities) for each in SET.examples]
