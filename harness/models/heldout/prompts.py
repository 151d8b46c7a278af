"""Held-out prompts of each task, and what an answer to one is worth."""

from __future__ import annotations

import random
from types import ModuleType
from typing import NamedTuple

from harness.models.example import Split, Turn, prompts
from harness.models.tasks import answers, entities, fields, statements

TASKS: dict[str, ModuleType] = {
    "entities": entities,
    "fields": fields,
    "answers": answers,
    "statements": statements,
}
_COUNTED = frozenset({"entities", "statements"})
"""Tasks whose answers list things, which count one by one."""


class Prompt(NamedTuple):
    """One rendered prompt, the answer wanted, and what scoring needs to know."""

    prompt: str
    answer: str
    turn: Turn


def heldout(task: str, split: Split, count: int, seed: int) -> list[Prompt]:
    """`count` prompts, one turn of each example, so that prompts are independent of each other."""
    r = random.Random(f"heldout {task} {split} {seed}")
    found = []
    for _ in range(count):
        example = TASKS[task].example(r, split)
        index = r.randrange(len(example.turns))
        turn = example.turns[index]
        found.append(Prompt(prompts(example)[index], turn.answer, turn))
    return found


def counts(task: str, answer: str | None, turn: Turn) -> tuple[int, int, int]:
    """(true positives, false positives, false negatives) of one answer."""
    if task in _COUNTED:
        true, false, missed = TASKS[task].counts(answer, turn)
        return int(true), int(false), int(missed)
    right = bool(TASKS[task].is_right(answer, turn))
    return int(right), int(not right), int(not right)
