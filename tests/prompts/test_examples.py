"""The file of examples: what is read back, and what each mistake in it says."""

import copy
import json
import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.prompts import checked_json
from harness.prompts.examples import (
    Entity,
    EntityType,
    Example,
    ExampleSet,
    derived_id,
    examples_from_json,
    examples_text,
    read_examples,
    write_examples,
)

VALID = {
    "_comment": "ignored",
    "entity_types": [
        {"entity_type_id": 1, "entity_type_name": "Person", "entity_type_description": "Who", "_note": 1},
        {"entity_type_id": 2, "entity_type_name": "Place", "entity_type_description": ""},
    ],
    "examples": [
        {
            "episode_content": "Marta in Bergen",
            "expected_entities": [
                {"name": "Marta", "entity_type_id": 1},
                {"name": "bergen ", "entity_type_id": 2, "_why": []},
            ],
            "_persona": {"any": "thing"},
        },
        {"id": "quiet", "episode_content": "It rained.", "expected_entities": []},
    ],
}
READ = ExampleSet(
    (EntityType(1, "Person", "Who"), EntityType(2, "Place", "")),
    (
        Example(derived_id("Marta in Bergen"), "Marta in Bergen", (Entity("Marta", 1), Entity("bergen ", 2))),
        Example("quiet", "It rained.", ()),
    ),
)


def changed(path, value):
    """VALID with the value at `path` replaced, or the key removed for `...`."""
    data = copy.deepcopy(VALID)
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


def test_a_file_is_read_with_its_comments_left_out(tmp_path):
    path = tmp_path / "examples.json"
    path.write_text(json.dumps(VALID))
    assert read_examples(path) == READ
    assert READ.type_names == {1: "Person", 2: "Place"}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_any_line_ends_are_allowed(tmp_path, start, ends):
    path = tmp_path / "examples.json"
    path.write_bytes(start + json.dumps(VALID, indent=1).replace("\n", ends).encode())
    assert read_examples(path) == READ


FIRST, SECOND = "f.json, example 1", "f.json, example 2"
ENTITY = f"{FIRST}, expected entity 2"
TYPE = "f.json, entity type 2"


@pytest.mark.parametrize(
    ("path", "value", "where", "said"),
    [
        (["entity_types"], ..., "f.json", "`entity_types` is missing"),
        (["entity_types"], [], "f.json", "`entity_types` is empty"),
        (["entity_types"], {}, "f.json", "`entity_types` is an object"),
        (["entity_types", 1], "Place", TYPE, "is no JSON object"),
        (["entity_types", 1, "entity_type_id"], 1, TYPE, "that of number 1 again"),
        (["entity_types", 1, "entity_type_id"], True, TYPE, "`entity_type_id` is True"),
        (["entity_types", 1, "entity_type_id"], -1, TYPE, "`entity_type_id` is -1"),
        (["entity_types", 1, "entity_type_id"], 2**31, TYPE, "`entity_type_id` is 2147483648"),
        (["entity_types", 1, "entity_type_name"], "person", TYPE, "that of number 1 again"),
        (["entity_types", 1, "entity_type_name"], " ", TYPE, "`entity_type_name` is ' '"),
        (["entity_types", 1, "entity_type_name"], "a\nb", TYPE, "`entity_type_name` is 'a\\nb'"),
        (["entity_types", 1, "entity_type_description"], None, TYPE, "`entity_type_description` is None"),
        (["entity_types", 1, "name"], "x", TYPE, "'name' is no key of it"),
        (["examples"], [], "f.json", "`examples` is empty"),
        (["examples"], ..., "f.json", "`examples` is missing"),
        (["extra"], 1, "f.json", "'extra' is no key of it"),
        (["examples", 1], [], SECOND, "is no JSON object"),
        (["examples", 1, "episode_content"], "Marta in Bergen", SECOND, "that of number 1 again"),
        (["examples", 1, "episode_content"], " \n", SECOND, "`episode_content` is empty"),
        (["examples", 1, "episode_content"], "\ud800", SECOND, "half of a character pair"),
        (["examples", 1, "id"], derived_id("Marta in Bergen"), SECOND, "that of number 1 again"),
        (["examples", 1, "id"], "", SECOND, "`id` is ''"),
        (["examples", 1, "id"], 7, SECOND, "`id` is 7"),
        (["examples", 1, "expected_entities"], ..., SECOND, "`expected_entities` is missing"),
        (["examples", 1, "expected_entities"], None, SECOND, "`expected_entities` is None"),
        (["examples", 0, "expected_entities", 1, "name"], "MARTA", ENTITY, "does not stand"),
        (["examples", 0, "expected_entities", 1, "name"], " ", ENTITY, "`name` is empty"),
        (["examples", 0, "expected_entities", 1, "name"], "Oslo", ENTITY, "does not stand"),
        (["examples", 0, "expected_entities", 1, "name"], ..., ENTITY, "`name` is missing"),
        (["examples", 0, "expected_entities", 1, "entity_type_id"], 3, ENTITY, "`entity_type_id` is 3"),
        (["examples", 0, "expected_entities", 1, "entity_type_id"], 1.0, ENTITY, "`entity_type_id` is 1.0"),
        (["examples", 0, "expected_entities", 1, "entity_type_id"], "1", ENTITY, "`entity_type_id` is '1'"),
        (["examples", 0, "expected_entities", 1, "start"], 1, ENTITY, "'start' is no key of it"),
    ],
)
def test_a_mistake_is_named_with_its_place(path, value, where, said):
    data = changed(path, value)
    if said == "does not stand" and value == "MARTA":
        data["examples"][0]["episode_content"] = "Bergen"
        where = f"{FIRST}, expected entity 1"
    with pytest.raises(HarnessError) as caught:
        examples_from_json(data, "f.json")
    assert caught.value.where == where
    assert said in caught.value.what
    assert caught.value.allowed
    assert caught.value.exit_code == 4


def test_one_entity_twice_is_refused_whatever_its_case():
    data = changed(["examples", 0, "expected_entities", 1], {"name": " MARTA", "entity_type_id": 1})
    data["examples"][0]["episode_content"] = "Marta and MARTA: marta,  MARTA"
    with pytest.raises(HarnessError, match=r"expected entity 2: `name` is that of number 1 again"):
        examples_from_json(data, "f.json")
    data["examples"][0]["expected_entities"][1]["entity_type_id"] = 2
    assert len(examples_from_json(data, "f.json").examples[0].entities) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no readable JSON"),
        (b"[", "no readable JSON"),
        (b'{"a": 1} x', "no readable JSON"),
        (b"\xff\xfe{}", "no readable JSON"),
        (b'{"examples": [], "examples": []}', "'examples' is given twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "no readable JSON"),
        (b"null", "no JSON object"),
        (b"[]", "no JSON object"),
    ],
    ids=["empty", "cut", "more", "utf-16", "key twice", "deep", "long number", "null", "list"],
)
def test_what_is_no_such_json_is_refused(tmp_path, content, said):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match=said) as caught:
        read_examples(path)
    assert caught.value.where == str(path)


def test_a_missing_a_huge_and_an_unreadable_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(HarnessError, match="no such file"):
        read_examples(tmp_path / "none.json")
    with pytest.raises(HarnessError, match="no readable JSON"):
        read_examples(tmp_path)
    monkeypatch.setattr(checked_json, "MOST_BYTES", 10)
    (tmp_path / "big.json").write_text(json.dumps(VALID))
    with pytest.raises(HarnessError, match="bytes"):
        read_examples(tmp_path / "big.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["entity_types", "examples", "id", "name", "entity_type_id", "episode_content", "_x", "y"]
            ),
            inside,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json_values)
def test_anything_else_is_one_clear_error(data):
    with pytest.raises(HarnessError) as caught:
        examples_from_json(data, "f.json")
    assert caught.value.where.startswith("f.json")
    assert caught.value.message.isprintable()


# --- written and read again ---

words = st.text(string.ascii_letters + "äß '\"\\,-☃", min_size=1, max_size=8).filter(str.strip)


@st.composite
def example_sets(draw):
    names = draw(st.lists(words.map(str.strip), min_size=1, max_size=4, unique_by=str.lower))
    ids = draw(st.lists(st.integers(0, 2**31 - 1), min_size=len(names), max_size=len(names), unique=True))
    types = tuple(EntityType(*pair, draw(st.text(max_size=5))) for pair in zip(ids, names, strict=True))
    texts = draw(
        st.lists(st.lists(words, min_size=1, max_size=6).map("\n".join), min_size=1, max_size=5, unique=True)
    )
    examples = []
    for number, text in enumerate(texts):
        pairs = st.tuples(st.sampled_from(text.split("\n")), st.sampled_from(ids))
        found = draw(st.lists(pairs.map(lambda pair: Entity(*pair)), max_size=4, unique_by=lambda e: e.key))
        name = draw(st.sampled_from([derived_id(text), f"number {number}"]))
        examples.append(Example(name, text, tuple(found)))
    return ExampleSet(types, tuple(examples))


@given(example_sets())
def test_what_is_written_is_read_again(examples):
    text = examples_text(examples, "a comment")
    again = examples_from_json(json.loads(text), "f.json")
    assert again == examples
    assert again.digest == examples.digest
    assert text == examples_text(again, "a comment")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "examples.json"
    write_examples(path, READ)
    before = path.read_bytes()
    assert read_examples(path) == READ
    monkeypatch.setattr("pathlib.Path.replace", lambda self, target: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_examples(path, READ, "another comment")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- identity and choice ---


@given(example_sets(), st.data())
def test_every_change_of_content_changes_the_digest(examples, data):
    first = examples.examples[0]
    other = data.draw(
        st.sampled_from(
            [
                ExampleSet((*examples.types, EntityType(2**31, "new", "")), examples.examples),
                ExampleSet(
                    examples.types,
                    (Example(first.id + "x", first.text, first.entities), *examples.examples[1:]),
                ),
                ExampleSet(
                    examples.types,
                    (Example(first.id, first.text + "x", first.entities), *examples.examples[1:]),
                ),
                ExampleSet(
                    examples.types,
                    (
                        Example(first.id, first.text, (*first.entities, Entity("x", 2**31))),
                        *examples.examples[1:],
                    ),
                ),
                ExampleSet(examples.types, examples.examples[1:]),
                ExampleSet(examples.types, (*examples.examples[1:], first, first)),
            ]
        )
    )
    assert other.digest != examples.digest


def test_the_digest_does_not_depend_on_the_process():
    code = (
        "from harness.prompts.examples import *;"
        "print(ExampleSet((EntityType(1,'a','b'),),(Example('i','t',(Entity('t',1),)),)).digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_only_takes_the_examples_named_in_their_order_and_as_often():
    first, second = (each.id for each in READ.examples)
    assert [each.id for each in READ.only([second, first, second]).examples] == [second, first, second]
    assert READ.only([first]).types == READ.types
    with pytest.raises(KeyError, match="nobody"):
        READ.only(["nobody"])


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_id_of_an_example_without_one_follows_its_text(one, other):
    try:
        ids = derived_id(one), derived_id(other)
    except UnicodeEncodeError:
        return
    assert (ids[0] == ids[1]) == (one == other)
