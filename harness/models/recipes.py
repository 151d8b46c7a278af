"""How each shipped model is made: its task, shape and training schedule. training/trainer.py follows it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.models.example import Example
from harness.models.tasks import answers, entities, fields, statements

# (randomness, pools since the easy first ones, negative for these) -> one example
Draw = Callable[[random.Random, int], Example]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model. Steps: first `copy_steps` of random copies, then pools of examples, `early_pools` easy ones.

    The learning rate rises over `warmup` steps, holds, and falls linearly from `decay_from` (share of steps)
    to 3 %. `lengths` bounds prefix + first turn, in tokens. `tags` are the labels of spans.
    """

    name: str
    draw: Draw
    corpus: Callable[[int, int], Iterator[str]]
    tags: tuple[str, ...]
    vocabulary: int
    steps: int
    lengths: tuple[int, int]
    layers: int = 5
    hidden: int = 256
    intermediate: int = 512
    heads: int = 4
    kv_heads: int = 2
    context_tokens: int = 2048
    batch_tokens: int = 4096
    learning_rate: float = 1.5e-3
    warmup: int = 60
    decay_from: float = 0.4
    copy_steps: int = 200
    early_pools: int = 12
    tag_weight: float = 0.25
    tokenizer_texts: int = 6000
    seed: int = 1


def _entities(r: random.Random, pool: int) -> Example:
    early = pool < 0
    if r.random() < (0.3 if early else 0.03):
        return entities.copying(r)
    return entities.example(r, "train", sentences=2 if early else 4)


ENTITIES = Recipe(
    name="entities",
    draw=_entities,
    corpus=entities.corpus,
    tags=entities.TYPES,
    vocabulary=512,
    steps=5000,
    lengths=(8, 320),
)


# Pools since the easy ones: from here on most clauses are any words around the cue, which only copying can
# give back; the usual clauses are known by then.
_ANY_WORDS_FROM = 2
_FEW_ANY_WORDS, _MANY_ANY_WORDS = (fields.SCRAMBLED_SHARE, 0.0), (0.7, 0.3)


def _fields(r: random.Random, pool: int) -> Example:
    early = pool < 0
    if r.random() < (0.2 if early else 0.02):
        return entities.copying(r)
    scrambled = _MANY_ANY_WORDS if pool >= _ANY_WORDS_FROM else _FEW_ANY_WORDS
    # Short passages teach the same for less; long ones then need only what is new in them.
    if early or r.random() < 0.25:
        size = {"length": (0, 0), "stated": (4, 7), "lookalikes": (1, 2)}
        return fields.example(r, "train", questions=8, scrambled=scrambled, **size)
    return fields.example(r, "train", questions=12, scrambled=scrambled)


FIELDS = Recipe(
    name="fields",
    draw=_fields,
    corpus=fields.corpus,
    tags=tuple(field.key for field in fields.FIELDS),
    vocabulary=1024,
    steps=5000,
    lengths=(8, 560),
    early_pools=20,
    tokenizer_texts=1500,
)


_COPIES_ONLY = answers.Mixture(
    closed_book_share=0, agreeing_share=0, conflict_share=0, unanswerable_share=0, bare_share=0
)
_QUESTIONS = 8


# Pools since the easy ones: from here on, when the world is known, contradictions about more entities.
_CONTRADICTED_FROM = 26
_CONTRADICTED = answers.Mixture(
    closed_book_share=0.18,
    agreeing_share=0.08,
    conflict_share=0.20,
    unanswerable_share=0.10,
    contradicted_share=0.6,
)


def _answers(r: random.Random, pool: int) -> Example:
    mixture = answers.Mixture() if pool < _CONTRADICTED_FROM else _CONTRADICTED
    return answers.example(r, "train", _COPIES_ONLY if pool < 0 else mixture, _QUESTIONS)


ANSWERS = Recipe(
    name="answers",
    draw=_answers,
    corpus=answers.corpus,
    tags=answers.LABELS,
    vocabulary=1024,
    steps=4000,
    lengths=(8, 320),
    early_pools=4,
)


def _statements(r: random.Random, pool: int) -> Example:
    if r.random() < (0.2 if pool < 0 else 0.02):
        return entities.copying(r)
    return statements.example(r, "train")


# Lines are short, so a pool is few batches. A larger vocabulary, and a narrower inner layer for the same
# size, make them shorter still.
STATEMENTS = Recipe(
    name="statements",
    draw=_statements,
    corpus=statements.corpus,
    tags=(statements.FACILITY_TAG, *statements.CODES),
    vocabulary=2048,
    intermediate=384,
    steps=4500,
    lengths=(8, 300),
    batch_tokens=2048,
    learning_rate=1.2e-3,
    copy_steps=150,
    early_pools=40,
    tokenizer_texts=20000,
)

RECIPES = {recipe.name: recipe for recipe in (ENTITIES, FIELDS, ANSWERS, STATEMENTS)}
