"""How a program asks, and which answers it reads."""

import json
import random
import string

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.protocol import Message, Sampling
from harness.errors import HarnessError
from harness.models.tasks import entities as trained
from harness.prompts.examples import UNKNOWN_TYPE, Entity, EntityType, Example, ExampleSet
from harness.prompts.program import (
    FORMATS,
    NAMES_BY_TYPE,
    TYPED_LIST,
    Program,
    answer_format,
)

TYPES = (EntityType(1, "person", "Who"), EntityType(3, "Place", "Wo, überall"))
A, B = Entity("A", 1), Entity("B", 3)


def typed(*entities):
    return json.dumps([{"name": each.name, "entity_type_id": each.type_id} for each in entities])


@pytest.mark.parametrize(
    "answer",
    [
        typed(A, B),
        f'{{"extracted_entities": {typed(A, B)}}}',
        f'{{"reasoning": "two", "extracted_entities": {typed(A, B)}}}',
        f" \r\n{typed(A, B)}\n",
        f"```json\n{typed(A, B)}\n```",
        f"Here they are:\n```\n{typed(A, B)}\n```\nThat is all.",
        f"The entities: {typed(A, B)}. Anything else?",
        '[{"name": "A", "entity_type_id": "1"}, {"entity_type_id": " 3 ", "name": "B", "why": null}]',
        typed(A, B, A),
    ],
)
def test_a_typed_list_is_read(answer):
    assert TYPED_LIST.parse(answer, TYPES) == {A, B}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "none",
        "null",
        "{}",
        "[null]",
        "[[]]",
        '{"extracted_entities": null}',
        '{"extracted_entities": {}}',
        '{"entities": []}',
        '{"name": "A", "entity_type_id": 1}',
        '[{"name": "A"}]',
        '[{"name": "A", "entity_type_id": 1.0}]',
        '[{"name": "A", "entity_type_id": "1.0"}]',
        '[{"name": "A", "entity_type_id": "\\u0661"}]',
        '[{"name": "A", "entity_type_id": true}]',
        '[{"name": "A", "entity_type_id": null}]',
        '[{"name": null, "entity_type_id": 1}]',
        '[{"name": "A", "entity_type_id": NaN}]',
        '[{"name": "A", "entity_type_id": 1},]',
        "[{'name': 'A', 'entity_type_id': 1}]",
        typed(A, B)[:-1],
        typed(A, B)[:-20],
        f'{{"extracted_entities": {typed(A, B)}',
        f"{typed(A)} {typed(B)}",
        f"I found [2] entities: {typed(A, B)}",
        f"{typed(A, B)} [end]",
        "][",
        "[" * 200_000,
        "[" * 100_000 + "]" * 100_000,
        '{"extracted_entities":' * 50_000,
        "[" + "9" * 5_000 + "]",
    ],
)
def test_anything_else_is_unreadable_as_a_whole(answer):
    assert TYPED_LIST.parse(answer, TYPES) is None


def test_entities_of_types_that_do_not_exist_are_kept():
    assert TYPED_LIST.parse(typed(Entity("A", 77), Entity("A", -2)), TYPES) == {
        Entity("A", 77),
        Entity("A", -2),
    }
    assert NAMES_BY_TYPE.parse('{"person": ["A"], "pet": ["B"]}', TYPES) == {A, Entity("B", UNKNOWN_TYPE)}


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ('{"person":["A"],"place":["B"]}', {A, B}),
        ('{"Person":["A","A"]," PLACE ":["B"]}', {A, B}),
        ('```json\n{"person":["A"],"Place":["B"]}\n```', {A, B}),
        ("{}", set()),
        ('{"person":[]}', set()),
        ("[]", None),
        ("", None),
        ('{"person":"A"}', None),
        ('{"person":null}', None),
        ('{"person":["A",1]}', None),
        ('{"person":["A"],"place":["B"', None),
        ('{"person":["A"]}{"place":["B"]}', None),
        ('{"person":' * 50_000, None),
    ],
)
def test_names_by_type_are_read(answer, read):
    assert NAMES_BY_TYPE.parse(answer, TYPES) == read


def test_a_name_that_no_file_could_hold_is_mended():
    (found,) = TYPED_LIST.parse('[{"name": "A\\ud800", "entity_type_id": 1}]', TYPES)
    assert found.name.encode() == b"A?"


names = st.text(string.ascii_letters + "[]{}\"'`\\, \n☃", max_size=8)
found = st.frozensets(st.builds(Entity, names, st.sampled_from([1, 3])), max_size=5)
plain = st.text(string.ascii_letters + " .,:`\n", max_size=20)


@given(found, plain, plain)
def test_a_typed_list_is_read_from_among_words(entities, before, after):
    assert TYPED_LIST.parse(before + typed(*entities) + after, TYPES) == entities


@given(found, plain, plain)
def test_names_by_type_are_read_from_among_words(entities, before, after):
    ids = {"person": 1, "place": 3}
    answer = {
        name: [each.name for each in entities if each.type_id == number] for name, number in ids.items()
    }
    assert NAMES_BY_TYPE.parse(before + json.dumps(answer) + after, TYPES) == entities


@given(found.filter(bool), st.data())
def test_no_part_of_an_answer_is_an_answer(entities, data):
    answer = typed(*entities)
    cut = data.draw(st.integers(0, len(answer) - 1))
    assert TYPED_LIST.parse(answer[:cut], TYPES) is None


@given(st.text(max_size=60), st.sampled_from(list(FORMATS.values())))
def test_no_answer_makes_reading_fail(answer, form):
    read = form.parse(answer, TYPES)
    assert read is None or all(isinstance(each, Entity) for each in read)


# --- asking ---


def test_a_typed_list_is_asked_for_with_types_and_form_before_the_text():
    system, user = TYPED_LIST.render("Do it.", TYPES, "Dear diary")
    assert system == Message("system", "Do it.")
    assert user.role == "user"
    assert user.content.endswith("\nDear diary")
    types, form = (json.loads(line) for line in user.content.splitlines() if line[:1] in "[{" and line)
    assert [each["entity_type_id"] for each in types] == [1, 3]
    assert types[1] == {
        "entity_type_id": 3,
        "entity_type_name": "Place",
        "entity_type_description": "Wo, überall",
    }
    assert "überall" in user.content
    assert TYPED_LIST.parse(json.dumps(form), TYPES) == {Entity("...", 1)}


def test_names_by_type_are_asked_for_as_the_embedded_model_was_trained():
    made = trained.example(random.Random(1), "train")
    chat = NAMES_BY_TYPE.render(made.system, TYPES, made.text)
    assert chat == (Message("system", made.system), Message("user", made.text))


def test_requests_are_one_for_each_example_in_order():
    examples = ExampleSet(TYPES, tuple(Example(str(n), f"text {n}", ()) for n in range(3)))
    sampling = Sampling(max_tokens=7)
    requests = Program("Go", TYPED_LIST).requests(examples, sampling)
    assert [each.prompt for each in requests] == [
        TYPED_LIST.render("Go", TYPES, f"text {n}") for n in range(3)
    ]
    assert all(each.sampling is sampling for each in requests)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_the_schema_takes_what_the_format_reads_and_nothing_of_another_type(form):
    schema = form.schema(TYPES)
    jsonschema.Draft202012Validator.check_schema(schema)
    right, wrong = {
        "typed-list": (
            {"extracted_entities": json.loads(typed(A, B))},
            {"extracted_entities": [{"name": "A"}]},
        ),
        "names-by-type": ({"person": ["A"], "Place": ["B"]}, {"pet": ["A"]}),
    }[form.name]
    jsonschema.validate(right, schema)
    assert form.parse(json.dumps(right), TYPES) == {A, B}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_the_fingerprint_is_of_instruction_and_form():
    prints = {Program(text, form).fingerprint for text in ("a", "b", "") for form in FORMATS.values()}
    assert len(prints) == 6
    assert Program("a", TYPED_LIST).fingerprint == Program("a", TYPED_LIST).fingerprint


def test_a_format_is_found_by_its_name():
    assert all(answer_format(name) is form for name, form in FORMATS.items())
    with pytest.raises(HarnessError, match="typed-list, names-by-type"):
        answer_format("xml")
