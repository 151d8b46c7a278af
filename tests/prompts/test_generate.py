"""The committed examples: the same bytes again, no text twice, nothing that a model was trained on."""

import itertools
import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.models.tasks import entities as trained
from harness.prompts.examples import examples_from_json, examples_text, read_examples
from harness.prompts.generate import COMMENT, SPLITS, TYPES, generate, generate_splits, write_splits

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "prompts"
HELD_OUT = {name for names in trained.HELD_OUT.values() for name in names}


def committed():
    return {name: read_examples(FIXTURES / f"{name}.json") for name in SPLITS}


def test_the_committed_files_are_what_is_generated(tmp_path):
    write_splits(tmp_path)
    for name in SPLITS:
        assert (tmp_path / f"{name}.json").read_bytes() == (FIXTURES / f"{name}.json").read_bytes()


def test_committed_splits_have_their_sizes_and_share_no_text():
    sets = committed()
    assert {name: len(each.examples) for name, each in sets.items()} == SPLITS
    assert sum(SPLITS.values()) >= 200
    texts = [each.text for examples in sets.values() for each in examples.examples]
    ids = [each.id for examples in sets.values() for each in examples.examples]
    assert len(set(texts)) == len(texts)
    assert len(set(ids)) == len(ids)
    assert all(examples.types == TYPES for examples in sets.values())


def test_every_committed_split_has_a_share_of_each_type():
    for examples in committed().values():
        counts = Counter(kind for each in examples.examples for kind in {e.type_id for e in each.entities})
        assert all(counts[kind.id] >= len(examples.examples) / 4 for kind in TYPES)


def test_types_are_those_of_the_embedded_model():
    assert tuple(each.name for each in TYPES) == trained.TYPES


def test_no_committed_text_can_be_a_training_text():
    """Every text has a name that training never makes."""
    for examples in committed().values():
        for each in examples.examples:
            assert all(HELD_OUT & set(entity.name.split()) for entity in each.entities)
            assert each.entities
    r = random.Random(0)
    made = (trained.example(r, "train").text for _ in range(3000))
    assert not any(HELD_OUT & set(re.findall(r"\w+", text)) for text in made)


def test_entities_are_those_that_were_planted():
    r = random.Random("prompt examples 1")
    texts = {}
    while len(texts) < 20:
        entry = trained.example(r, "templates")
        pairs = {(entry.text[s.start : s.end].lower(), s.label) for s in entry.spans}
        if pairs:
            texts[entry.text] = pairs
    examples = generate(20, seed=1)
    names = examples.type_names
    assert {
        each.text: {(e.name.lower(), names[e.type_id]) for e in each.entities} for each in examples.examples
    } == texts


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(0, 2**32), st.sampled_from(["train", "names", "templates"]))
def test_generated_examples_pass_the_readers_checks(count, seed, split):
    examples = generate(count, seed=seed, split=split)
    assert len(examples.examples) == count
    assert examples_from_json(json.loads(examples_text(examples)), "f.json") == examples
    assert generate(count, seed=seed, split=split) == examples


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_splits_divide_the_generated_examples(seed, sizes):
    wanted = {f"part{number}": size for number, size in enumerate(sizes)}
    made = generate_splits(seed, wanted)
    assert {name: len(each.examples) for name, each in made.items()} == wanted
    texts = [each.text for each in itertools.chain(*(part.examples for part in made.values()))]
    assert texts == [each.text for each in generate(sum(sizes), seed=seed).examples]


@pytest.mark.parametrize(("count", "allowed"), [(0, "1 and more"), (-1, "1 and more"), (5_000, r"1 to \d")])
def test_more_examples_than_there_are_is_refused(monkeypatch, count, allowed):
    monkeypatch.setattr("harness.prompts.generate._FRUITLESS_TRIES", 1)
    with pytest.raises(HarnessError, match=f"allowed: {allowed}"):
        generate(count, seed=0, sentences=1)


def test_a_longer_run_of_a_seed_begins_like_a_shorter_one():
    short, long = generate(5, seed=3), generate(9, seed=3)
    assert [each.text for each in short.examples] == [each.text for each in long.examples[:5]]


def test_the_files_say_where_they_come_from():
    assert all(COMMENT in (FIXTURES / f"{name}.json").read_text() for name in SPLITS)
    assert "write_splits" in (FIXTURES / "README.md").read_text()
