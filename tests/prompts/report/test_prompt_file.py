"""A prompt file says again what was saved, keeps its history, and refuses what it was not made for."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.prompts.evaluate import Evaluation, compare
from harness.prompts.examples import EntityType
from harness.prompts.metric import Score
from harness.prompts.program import NAMES_BY_TYPE, TYPED_LIST, AnswerFormat, Program
from harness.prompts.report.prompt_file import HISTORY, read_prompt_file, write_prompt_file
from harness.prompts.report.saved_prompt import (
    METRIC,
    SavedPrompt,
    SavedScore,
    answer_fields,
    prompt_text,
    saved_score,
    worth_saving,
)

TYPES = (EntityType(1, "person", "a human being"), EntityType(2, "place", "a town"))
PROGRAM = Program("Find the persons.", TYPED_LIST)
SAVED = SavedPrompt(
    program=PROGRAM,
    types=TYPES,
    fingerprint={"data": "ab" * 32, "metric": METRIC, "model": "cd" * 32},
    baseline=SavedScore(0.5, 0.4, 0.6, 120),
    optimized=SavedScore(0.75, 0.7, 0.8, 120),
    provenance={"figures": "measured", "hardware": "cpu", "seed": "7"},
)


def evaluation(scores):
    """One example per score in quarters."""
    return Evaluation(tuple(Score(round(4 * f1), 4 - round(4 * f1), 4 - round(4 * f1)) for f1 in scores))


def changed(path, **parts):
    path.write_text(json.dumps(json.loads(prompt_text(SAVED)) | parts), encoding="utf-8")
    return path


@settings(deadline=None, max_examples=40)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    st.sampled_from([TYPED_LIST, NAMES_BY_TYPE]),
)
def test_a_prompt_is_read_as_it_was_saved(tmp_path_factory, instruction, form):
    path = tmp_path_factory.mktemp("prompt") / "prompt.json"
    saved = replace(SAVED, program=Program(instruction, form))
    assert write_prompt_file(path, saved) is None
    assert read_prompt_file(path, Program("any other", form), TYPES) == saved


def test_what_was_there_before_is_kept(tmp_path):
    path = tmp_path / "prompts" / "prompt.json"
    versions = [replace(SAVED, program=Program(f"Version {i}.", TYPED_LIST)) for i in range(3)]
    kept = [write_prompt_file(path, each) for each in versions]
    folder = path.parent / HISTORY
    assert kept == [None, folder / "prompt.0001.json", folder / "prompt.0002.json"]
    assert read_prompt_file(path, PROGRAM, TYPES) == versions[2]
    assert [read_prompt_file(each, PROGRAM, TYPES) for each in kept[1:]] == versions[:2]
    # the same once more is no new version, and going back keeps what stands in the history already
    assert write_prompt_file(path, versions[2]) is None
    write_prompt_file(path, versions[0])
    assert write_prompt_file(path, versions[1]) == folder / "prompt.0001.json"
    assert sorted(each.name for each in tmp_path.rglob("*") if each.is_file()) == [
        "prompt.0001.json", "prompt.0002.json", "prompt.0003.json", "prompt.json",
    ]  # fmt: skip


def test_a_prompt_that_can_not_be_saved_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "prompt.json"
    write_prompt_file(path, SAVED)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.prompts.report.prompt_file.write_bytes", full)
    with pytest.raises(HarnessError, match="No space left"):
        write_prompt_file(path, replace(SAVED, program=Program("Other.", TYPED_LIST)))
    assert read_prompt_file(path, PROGRAM, TYPES) == SAVED
    with pytest.raises(HarnessError, match="half of a character pair"):
        write_prompt_file(path, replace(SAVED, program=Program("\ud800", TYPED_LIST)))


def test_a_missing_and_a_truncated_file(tmp_path):
    path = tmp_path / "prompt.json"
    with pytest.raises(HarnessError, match=r"no such file.*give a prompt file"):
        read_prompt_file(path, PROGRAM, TYPES)
    whole = prompt_text(SAVED).encode()
    for end in (0, 1, 40, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:end])
        with pytest.raises(HarnessError, match=r"no readable JSON.*history/"):
            read_prompt_file(path, PROGRAM, TYPES)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"instruction": 7}, "`instruction` is 7"),
        ({"instruction": None}, "`instruction` is None"),
        ({"instruction": ["a"]}, "`instruction` is a list"),
        ({"instruction": " \n"}, "`instruction` is empty"),
        ({"instruction": "Edited by hand."}, "changed since it was measured"),
        ({"program": "extract-dates"}, "another program, 'extract-dates'"),
        ({"program": 3}, "another program, 3"),
        ({"fields": ["extracted_entities", "extracted_entities.entity_type_id", "extracted_entities.name"]},
         "same fields in another order"),
        ({"fields": ["a"]}, "other fields"),
        ({"fields": None}, "other fields"),
        ({"form": "0" * 64}, "others now"),
        ({"entity_types": []}, "it has 0 types, the examples 2"),
        ({"entity_types": None}, "it has no types"),
        ({"entity_types": [{"id": 1, "name": "dog", "description": "x"}, 5]}, "type 1 is 1 'dog'"),
        ({"format_version": 2}, "`format_version` is 2"),
        ({"baseline": {"f1": 66.7, "low": 0, "high": 100, "n": 3}}, "`baseline` holds no shares"),
        ({"baseline": {"f1": 0.5, "low": 0.6, "high": 0.7, "n": 3}}, "`baseline` holds no shares"),
        ({"optimized": {"f1": 0.5, "low": 0.4, "high": 0.7, "n": 0}}, "n = 0"),
        ({"optimized": {"f1": 0.5}}, "`low` is missing"),
        ({"optimized": 3}, "JSON object, this is 3"),
        ({"fingerprint": {"data": 1}}, "`fingerprint` is an object"),
        ({"provenance": "cpu"}, "`provenance` is 'cpu'"),
        ({"colour": "red"}, "'colour' is no key"),
    ],
)  # fmt: skip
def test_what_it_was_not_made_for_is_refused_by_name(tmp_path, parts, what):
    with pytest.raises(HarnessError, match=what):
        read_prompt_file(changed(tmp_path / "prompt.json", **parts), PROGRAM, TYPES)


def test_a_missing_part_is_named(tmp_path):
    document = json.loads(prompt_text(SAVED))
    path = tmp_path / "prompt.json"
    for key in document:
        path.write_text(json.dumps({name: part for name, part in document.items() if name != key}))
        with pytest.raises(HarnessError, match=f"`{key}` is missing"):
            read_prompt_file(path, PROGRAM, TYPES)
    path.write_text("[]")
    with pytest.raises(HarnessError, match="a prompt file is a JSON object"):
        read_prompt_file(path, PROGRAM, TYPES)


def test_other_types_here_are_refused_too(tmp_path):
    path = changed(tmp_path / "prompt.json")
    described = (TYPES[0], EntityType(2, "place", "a country"))
    with pytest.raises(HarnessError, match=r"type 2 is 2 'place' .* there and 2 'place'"):
        read_prompt_file(path, PROGRAM, described)
    with pytest.raises(HarnessError, match="type 1 is 1 'person'"):
        read_prompt_file(path, PROGRAM, TYPES[::-1])
    with pytest.raises(HarnessError, match="another program, 'typed-list'"):
        read_prompt_file(path, Program("x", NAMES_BY_TYPE), TYPES)


def test_a_form_whose_words_changed_is_another_one(tmp_path):
    path = changed(tmp_path / "prompt.json")
    reworded = AnswerFormat(
        TYPED_LIST.name,
        lambda instruction, types, text: TYPED_LIST.render(f"{instruction} Please.", types, text),
        TYPED_LIST.parse,
        TYPED_LIST.schema,
    )
    with pytest.raises(HarnessError, match=r"others now.*optimize again"):
        read_prompt_file(path, Program("x", reworded), TYPES)


def test_fields_are_in_the_order_of_the_schema():
    assert answer_fields(TYPED_LIST, TYPES) == [
        "extracted_entities", "extracted_entities.name", "extracted_entities.entity_type_id",
    ]  # fmt: skip
    assert answer_fields(NAMES_BY_TYPE, TYPES) == ["person", "place"]


def test_only_what_is_better_beyond_noise_is_worth_saving():
    poor, good = evaluation([0.5] * 20), evaluation([0.75, 1.0] * 10)
    better = worth_saving(compare(poor, good))
    assert better.save
    assert better.why.startswith("improved")
    for second in (poor, evaluation([0.5] * 18 + [0.75, 1.0]), evaluation([0.25] * 20)):
        decision = worth_saving(compare(poor, second))
        assert not decision.save
        forced = worth_saving(compare(poor, second), forced=True)
        assert forced.save
        assert forced.why == f"{decision.why}; saved because it was forced"


def test_a_saved_score_has_its_interval():
    found = saved_score(evaluation([0.5, 0.75, 1.0]))
    assert (found.f1, found.n) == (0.75, 3)
    assert found.low < 0.75 < found.high
