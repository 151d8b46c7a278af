"""Generated lines state what their answers say, splits share no names or frames, and the score is strict."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.example import Example, Split, Turn
from harness.models.tasks import statements
from harness.models.tasks.fields_values import HELD_NAMES
from harness.models.tasks.statements_wording import LOCKED, TEXTS, THINGS

SPLITS: tuple[Split, ...] = ("train", "names", "templates")
BY_CODE = {thing.code: thing for thing in THINGS}
seeds = st.integers(0, 2**32)
splits = st.sampled_from(SPLITS)


def drawn(split: Split, count: int, seed: int = 1) -> list[Example]:
    r = random.Random(seed)
    return [statements.example(r, split) for _ in range(count)]


def test_every_thing_has_a_code_and_words_of_its_own() -> None:
    assert len(THINGS) == len(BY_CODE) == 71
    assert all(code.isascii() and code.isalpha() and code.islower() for code in BY_CODE)
    for thing in THINGS:
        assert thing.cues
        assert bool(thing.denials) == (thing.kind == "yes_no")
        assert bool(thing.values) == (thing.kind in ("term", "text"))
        assert thing.sentences or thing.code in LOCKED
        slots = [("{f}" in each, "{v}" in each) for each in (*thing.sentences, *thing.foreign)]
        assert all(f == (thing.scope == "facility") for f, _ in slots)
        assert all(v == (thing.kind not in ("yes_no", "table") and thing.code != "name") for _, v in slots)


@settings(max_examples=100, deadline=None)
@given(seeds, splits)
def test_an_answer_copies_from_its_line(seed: int, split: Split) -> None:
    sample = statements.example(random.Random(seed), split)
    found = statements.parse(sample.turns[0].answer)
    assert found is not None
    assert bool(found) == (sample.turns[0].answer != "-")
    for each in found:
        thing = BY_CODE[each.code]
        assert each.facility in sample.text
        if thing.scope == "deal":
            assert not each.facility
        if thing.kind == "yes_no":
            assert each.value in ("yes", "no")
        else:
            assert each.value in sample.text
            assert bool(each.value) == (thing.kind != "table" and each.code != "name")


@settings(max_examples=40, deadline=None)
@given(seeds, splits)
def test_tags_are_the_values_and_facilities_of_the_answer(seed: int, split: Split) -> None:
    sample = statements.example(random.Random(seed), split)
    found = statements.parse(sample.turns[0].answer) or ()
    said = {(each.code, each.value) for each in found} | {("facility", each.facility) for each in found}
    for span in sample.spans:
        assert (span.label, sample.text[span.start : span.end]) in said


def test_held_out_names_and_frames_are_never_in_training() -> None:
    shown = "\n".join(sample.text for sample in drawn("train", 800))
    # countries are values of their own
    names = set(HELD_NAMES) - set(TEXTS["countries"])
    assert not set(re.findall(r"\w+", shown)) & names
    for name in ("facility_frames", "deal_frames", "below", "above", "openings", "tails"):
        held = "held_" + name
        assert TEXTS[held]
        assert not set(TEXTS[held]) & set(TEXTS[name])


def test_about_six_in_ten_lines_state_something() -> None:
    answers = [sample.turns[0].answer for sample in drawn("train", 2000)]
    assert 0.55 < sum(answer != "-" for answer in answers) / len(answers) < 0.65
    assert {answer.split("|")[0] for answer in answers} - {"-"} == set(BY_CODE)


GOLD = Turn("", "margin|Facility A|2.35 %")
SILENT = Turn("", "-")


@pytest.mark.parametrize(
    ("answers", "f1", "things", "kept", "unreadable"),
    [
        (("margin|Facility A|2.35 %", "-"), 1.0, 1.0, 1.0, 0.0),
        (("margin|Facility A|2.3 %", "-"), 0.0, 1.0, 1.0, 0.0),
        (("margin|Facility A|2.35 %", "llcr||1.2x"), 2 / 3, 2 / 3, 0.0, 0.0),
        (("-", "-"), 0.0, 0.0, 1.0, 0.0),
        (("nothing", None), 0.0, 0.0, 0.0, 1.0),
    ],
)
def test_scores(
    answers: tuple[str | None, ...], f1: float, things: float, kept: float, unreadable: float
) -> None:
    assert statements.score(answers, [GOLD, SILENT]) == statements.Scores(f1, things, kept, unreadable)
    assert statements.is_right(answers[0], GOLD) == (answers[0] == GOLD.answer)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="no answer"):
        statements.score([], [])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        statements.score(["-"], [GOLD, GOLD])


def test_shares_of_nothing_are_none() -> None:
    assert statements.score(["-"], [SILENT]) == statements.Scores(None, None, 1.0, 0.0)
    assert statements.score([GOLD.answer], [GOLD]) == statements.Scores(1.0, 1.0, None, 0.0)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_answer_is_read_or_refused(text: str) -> None:
    found = statements.parse(text)
    assert found is None or len(found) <= 1
    true, false, missed = statements.counts(text, GOLD)
    assert true + missed == 1
    assert true + false == (0 if found is None else len(found))


_DIGEST = """
import hashlib
from harness.models.tasks import statements
print(hashlib.sha256("".join(statements.corpus(5, 60)).encode()).hexdigest())
"""


def test_texts_do_not_depend_on_the_hash_seed() -> None:
    here = hashlib.sha256("".join(statements.corpus(5, 60)).encode()).hexdigest()
    run = subprocess.run(
        [sys.executable, "-c", _DIGEST],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == here
