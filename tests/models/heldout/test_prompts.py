"""Held-out prompts: reproducible, one turn of each example, and never what training holds."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from harness.models.example import Split
from harness.models.heldout.prompts import TASKS, counts, heldout
from harness.models.recipes import RECIPES
from harness.models.tasks import entities

HELD: tuple[Split, ...] = ("names", "templates")


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize("split", HELD)
def test_a_seed_gives_the_same_prompts_and_another_seed_others(task: str, split: Split) -> None:
    made = heldout(task, split, 12, seed=1)
    assert len(made) == 12
    assert made == heldout(task, split, 12, seed=1)
    assert made[:5] == heldout(task, split, 5, seed=1)
    assert not {p.prompt for p in made} & {p.prompt for p in heldout(task, split, 12, seed=2)}
    for prompt, answer, turn in made:
        assert prompt.startswith("<|im_start|>system\n")
        assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")
        assert turn.question in prompt
        assert answer == turn.answer


def test_splits_differ_and_every_recipe_has_its_task() -> None:
    assert set(TASKS) == set(RECIPES)
    for task in TASKS:
        texts = [{p.prompt for p in heldout(task, split, 12, seed=1)} for split in get_args(Split)]
        assert not texts[0] & texts[1] & texts[2]
        assert texts[1] != texts[2]


def test_any_turn_of_an_example_may_be_the_one_asked() -> None:
    asked = {p.turn.about["field"] for p in heldout("fields", "names", 150, seed=3)}
    assert asked == {field.key for field in TASKS["fields"].FIELDS}


@pytest.mark.parametrize("split", HELD)
def test_entity_prompts_hold_no_name_of_training(split: Split) -> None:
    held = {name for names in entities.HELD_OUT.values() for name in names}
    for _, answer, _ in heldout("entities", split, 200, seed=5):
        for name, kind in entities.parse(answer) or ():
            assert held & set(re.findall(r"\w+", name)), (name, kind)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_gold_counts_as_hits_and_nothing_as_misses(task: str) -> None:
    for _, answer, turn in heldout(task, "names", 30, seed=9):
        lists = task in ("entities", "statements")
        size = sum(counts(task, None, turn)) if lists else 1
        assert counts(task, answer, turn) == (size, 0, 0)
        assert counts(task, None, turn) == ((0, 0, size) if lists else (0, 1, 1))
        assert counts(task, f"{answer}x", turn)[0] == 0
