"""Generated passages say what their answers claim, splits share nothing, and the score is strict."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.example import Example, Split, Turn
from harness.models.tasks import fields, fields_values, fields_wording, names

SPLITS: tuple[Split, ...] = ("train", "names", "templates")
BY_KEY = {field.key: field for field in fields.FIELDS}
seeds = st.integers(0, 2**32)
splits = st.sampled_from(SPLITS)


def _examples(split: Split, count: int, seed: int = 1) -> list[Example]:
    r = random.Random(seed)
    return [fields.example(r, split) for _ in range(count)]


@pytest.fixture(scope="module")
def samples() -> dict[Split, list[Example]]:
    return {split: _examples(split, 700) for split in SPLITS}


def _cues_in(text: str, cues: tuple[str, ...]) -> int:
    """How many separate mentions of the cues there are, the longest cue taken first."""
    ordered = sorted(cues, key=len, reverse=True)
    return len(re.findall(r"\b(?:" + "|".join(map(re.escape, ordered)) + r")\b", text, re.IGNORECASE))


def _turns(examples: list[Example]) -> Iterator[tuple[Example, Turn]]:
    return ((sample, turn) for sample in examples for turn in sample.turns)


def test_fields_are_24_of_all_groups_with_unique_names_and_cues() -> None:
    assert len(fields.FIELDS) == len(BY_KEY) == len({field.label for field in fields.FIELDS}) == 24
    assert len({field.group for field in fields.FIELDS}) >= 13
    for field in fields.FIELDS:
        assert len(field.cues) >= 3
        assert field.label in field.cues
        others = [c for f in fields.FIELDS for c in f.lookalikes + (f.cues if f is not field else ())]
        assert not _cues_in(" | ".join(others), field.cues), field.key


def test_every_family_has_enough_frames_with_the_value_last() -> None:
    for family, frames in fields_wording.FRAMES.items():
        held = fields_wording.HELD_FRAMES[family]
        assert len(set(frames)) >= 6
        assert len(set(held)) >= 2
        assert not set(frames) & set(held)
        for frame in frames + held:
            assert frame.endswith("{value}")
            assert len(re.findall(r"\{[cC]ue\}", frame)) == 1
    assert not set(fields_wording.OPENINGS) & set(fields_wording.HELD_OPENINGS)
    assert not set(fields_wording.TAILS) & set(fields_wording.HELD_TAILS)


def test_held_out_wording_uses_only_words_seen_in_training(samples: dict[Split, list[Example]]) -> None:
    held = [frame for frames in fields_wording.HELD_FRAMES.values() for frame in frames]
    held += [*fields_wording.HELD_OPENINGS, *fields_wording.HELD_TAILS]
    words = set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", "", " ".join(held)).lower()))
    seen = set(re.findall(r"[a-z]+", " ".join(sample.text for sample in samples["train"]).lower()))
    assert words
    assert words <= seen


@settings(max_examples=60, deadline=None)
@given(seeds, splits)
def test_answers_and_spans_are_verbatim(seed: int, split: Split) -> None:
    sample = fields.example(random.Random(seed), split)
    assert sample.text.endswith("\n")
    passage = sample.text[:-1]
    assert passage == passage.strip()
    spans = {span.label: sample.text[span.start : span.end] for span in sample.spans}
    assert 8 <= len(spans) == len(sample.spans) <= 12
    assert len({turn.question for turn in sample.turns}) == len(sample.turns) == 8
    for turn in sample.turns:
        answer, key = json.loads(turn.answer), turn.about["field"]
        assert list(answer) == ["evidence", "value"]
        assert turn.answer == json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
        assert turn.question == f"Field: {BY_KEY[key].label}"
        assert turn.about["kind"] == BY_KEY[key].kind
        if key in spans:
            assert answer["value"] == spans[key] == turn.about["value"]
            assert answer["evidence"] == turn.about["evidence"]
            assert answer["evidence"].endswith(answer["value"])
            assert passage.count(answer["evidence"]) == 1
            assert "\n" not in answer["evidence"]
            assert len(answer["evidence"].split()) <= 14
        else:
            assert answer == {"evidence": None, "value": None}
            assert turn.about["value"] == turn.about["evidence"] == ""


@settings(max_examples=60, deadline=None)
@given(seeds, splits)
def test_a_present_field_has_one_clause_and_an_absent_one_none(seed: int, split: Split) -> None:
    sample = fields.example(random.Random(seed), split)
    present = {span.label for span in sample.spans}
    for field in fields.FIELDS:
        assert _cues_in(sample.text, field.cues) == (field.key in present), field.key
    for span in sample.spans:
        before = sample.text[: span.start]
        sentence = re.split(r"\. |\n", before)[-1]
        assert _cues_in(sentence, BY_KEY[span.label].cues) == 1


def test_splits_share_no_names_and_no_numbers(samples: dict[Split, list[Example]]) -> None:
    held = fields_values.held_words()
    for sample in samples["train"]:
        assert not held & set(re.findall(r"\w+", sample.text))
    values = {
        split: {sample.text[span.start : span.end] for sample in samples[split] for span in sample.spans}
        for split in SPLITS
    }
    assert not values["train"] & values["names"]
    assert not values["train"] & values["templates"]
    for split in SPLITS:
        numbers = [text for text in values[split] if any(c.isdigit() for c in text)]
        assert len(numbers) > 500
        assert {fields_values.is_reserved(text) for text in numbers} == {split != "train"}


def _pattern(frames: dict[fields_wording.Family, tuple[str, ...]], field: fields.Field) -> re.Pattern[str]:
    """What the left side of a value looks like when the field is written into one of the frames."""
    cues = "|".join(map(re.escape, field.cues))
    sides = [frame.removesuffix("{value}") for frame in frames[fields_wording.FAMILY[field.kind]]]
    choices = [
        re.sub(r"\\\{[cC]ue\\\}", lambda _: f"(?:{cues})", re.escape(side)).replace(r"\{a\}", "an?")
        for side in sides
    ]
    return re.compile(r"(?:^|\. |\n|, )(?:" + "|".join(choices) + r")\Z", re.IGNORECASE)


def test_splits_share_no_templates(samples: dict[Split, list[Example]]) -> None:
    known = {field.key: _pattern(fields_wording.FRAMES, field) for field in fields.FIELDS}
    held = {field.key: _pattern(fields_wording.HELD_FRAMES, field) for field in fields.FIELDS}
    for split in SPLITS:
        in_known = []
        for sample in samples[split]:
            for span in sample.spans:
                before = sample.text[: span.start][-120:]
                in_known.append(bool(known[span.label].search(before)))
                assert bool(held[span.label].search(before)) == (split == "templates"), before
        share = {"train": 1 - fields.SCRAMBLED_SHARE, "names": 1.0, "templates": 0.0}[split]
        assert sum(in_known) / len(in_known) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("split", SPLITS)
def test_share_of_absent_questions_and_of_lookalikes(
    split: Split, samples: dict[Split, list[Example]]
) -> None:
    absent = [(sample, turn) for sample, turn in _turns(samples[split]) if not turn.about["value"]]
    asked = sum(len(sample.turns) for sample in samples[split])
    assert len(absent) / asked == pytest.approx(fields.ABSENT_SHARE, abs=0.03)
    similar = [s for s, turn in absent if _cues_in(s.text, BY_KEY[turn.about["field"]].lookalikes)]
    assert 0.35 < len(similar) / len(absent) < 0.8
    assert {turn.about["field"] for _, turn in absent} == set(BY_KEY)


def test_length_and_number_of_fields_are_steered() -> None:
    r = random.Random(3)
    for bounds, stated in (((150, 190), (2, 3)), ((285, 330), (4, 6)), ((400, 430), (8, 12))):
        drawn = [fields.example(r, "train", 8, bounds, stated, (0, 1)) for _ in range(100)]
        assert {len(sample.spans) for sample in drawn} == set(range(stated[0], stated[1] + 1))
        sizes = [fields.estimated_tokens(sample.text) for sample in drawn]
        assert bounds[0] <= min(sizes)
        assert max(sizes) < bounds[1] + 60


def test_default_passages_stay_well_inside_256_to_512_tokens(samples: dict[Split, list[Example]]) -> None:
    for split in SPLITS:
        sizes = [fields.estimated_tokens(sample.text) for sample in samples[split]]
        assert min(sizes) > 270
        assert sum(size > 505 for size in sizes) <= 0.005 * len(sizes)


def test_the_number_of_questions_is_kept_up_to_one_per_field() -> None:
    for asked, expected in ((0, 0), (1, 1), (16, 16), (24, 24), (30, 24)):
        sample = fields.example(random.Random(2), "train", questions=asked)
        assert len({turn.question for turn in sample.turns}) == len(sample.turns) == expected


def _digest() -> str:
    text = repr([_examples(split, 20) for split in SPLITS]) + repr(list(fields.corpus(4, 5)))
    return hashlib.sha256(text.encode()).hexdigest()


def test_same_seed_same_bytes_whatever_the_hash_seed() -> None:
    code = (
        "import random, hashlib; from harness.models.tasks import fields\n"
        "s = ('train', 'names', 'templates'); rs = [random.Random(1) for _ in s]\n"
        "t = repr([[fields.example(r, x) for _ in range(20)] for r, x in zip(rs, s)])\n"
        "t += repr(list(fields.corpus(4, 5))); print(hashlib.sha256(t.encode()).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == _digest()


def test_corpus_holds_passages_questions_and_answers() -> None:
    texts = list(fields.corpus(1, 3))
    assert len(texts) == 3 * (1 + 2 * 8)
    first = fields.example(random.Random(1), "train")
    assert texts[:3] == [first.text, first.turns[0].question, first.turns[0].answer]


def test_gold_answers_score_one(samples: dict[Split, list[Example]]) -> None:
    pairs = list(_turns(samples["templates"][:50]))
    turns = [turn for _, turn in pairs]
    scores = fields.score([t.answer for t in turns], turns, [sample.text for sample, _ in pairs])
    absent = sum(not turn.about["value"] for turn in turns)
    assert scores == fields.Scores(1.0, 1.0, 1.0, 1.0, 0.0, len(turns) - absent, absent)
    assert all(fields.is_right(turn.answer, turn) for turn in turns)


HERE = Turn(
    "Field: margin",
    '{"evidence":"margin is 2.35 %","value":"2.35 %"}',
    {"field": "margin", "kind": "percent", "value": "2.35 %", "evidence": "margin is 2.35 %"},
)
GONE = Turn(
    "Field: sponsor",
    '{"evidence":null,"value":null}',
    {"field": "sponsor_name", "kind": "party", "value": "", "evidence": ""},
)
PASSAGE = "The margin is 2.35 %. The tax rate is 9 %."


def test_each_corruption_counts_where_it_belongs() -> None:
    answers = [
        HERE.answer,
        '{"evidence":"tax rate is 9 %","value":"9 %"}',
        '{"evidence":"The margin is 2.35 %","value":"2.35 %"}',
        '{"evidence":"invented 2.35 %","value":"2.35 %"}',
        '{"evidence":null,"value":null}',
        None,
        GONE.answer,
        HERE.answer,
    ]
    turns = [HERE] * 6 + [GONE] * 2
    scores = fields.score(answers, turns, [PASSAGE] * 8)
    assert scores == fields.Scores(3 / 6, 1 / 2, 1 / 6, 4 / 5, 1 / 8, 6, 2)
    right = [fields.is_right(answer, turn) for answer, turn in zip(answers, turns, strict=True)]
    assert right == [True, False, True, True, False, False, True, False]


def test_nothing_to_take_a_share_of_is_none() -> None:
    assert fields.score([], [], []) == fields.Scores(None, None, None, None, None, 0, 0)
    assert fields.score([GONE.answer], [GONE]) == fields.Scores(None, 1.0, None, None, 0.0, 0, 1)
    with pytest.raises(ValueError, match="argument"):
        fields.score([GONE.answer], [])


JUNK = [
    "",
    "null",
    "7",
    "NaN",
    "[]",
    "{}",
    '"2.35 %"',
    HERE.answer[:-1],
    HERE.answer + "}",
    HERE.answer + " and so on",
    f"[{HERE.answer}]",
    '[["evidence",null],["value",null]]',
    '[["evidence","margin is 2.35 %"],["value","2.35 %"]]',
    '{"value":"2.35 %"}',
    '{"value":"2.35 %","value":"2.35 %"}',
    '{"evidence":"margin is 2.35 %","value":"2.35 %","more":1}',
    '{"evidence":["margin"],"value":"2.35 %"}',
    '{"evidence":"margin is 2.35 %","value":2.35}',
    '{"evidence":null,"value":"2.35 %"}',
    '{"evidence":"","value":""}',
    '{"evidence":null,"value":null,"value":null}',
    '{"evidence":{"evidence":null},"value":{"value":null}}',
    "[" * 200_000,
    '{"value":' * 100_000,
    "9" * 100_000,
    '{"evidence":null,"value":' + "9" * 10_000 + "}",
    "\ud800",
]


@pytest.mark.parametrize("junk", JUNK, ids=map(str, range(len(JUNK))))
def test_junk_is_wrong_and_never_raises(junk: str) -> None:
    assert not fields.is_right(junk, HERE)
    assert not fields.is_right(junk, GONE)
    scores = fields.score([junk, junk], [HERE, GONE], [PASSAGE, PASSAGE])
    assert scores == fields.Scores(0.0, 0.0, 0.0, None, 1.0, 1, 1)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet='{}[]":,evidncalu0.e-', max_size=60))
def test_random_text_never_raises(text: str) -> None:
    assert not fields.is_right(text, HERE)
    assert fields.score([text], [HERE], [PASSAGE]).value_exact_match == 0.0


def test_the_answer_may_be_spaced_but_not_respelled() -> None:
    assert fields.is_right(json.dumps(json.loads(HERE.answer), indent=1), HERE)
    assert not fields.is_right(HERE.answer.replace("2.35 %", "2.35%"), HERE)
    assert not fields.is_right(HERE.answer, replace(HERE, about={**HERE.about, "value": "2.3 %"}))


@given(seeds)
def test_proper_names_keep_their_form_and_avoid_the_banned(seed: int) -> None:
    name = names.proper_name(random.Random(seed))
    assert re.fullmatch("[A-Z][a-z]{2,10}", name)
    assert names.proper_name(random.Random(seed), {name}) != name
