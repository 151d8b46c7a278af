"""Diary-like examples by seed, in words and sentences that the embedded model was not trained on.

Names and sentences are those that `harness.models.tasks.entities` holds out of training. An entry without a
name could be a training text, so every example has at least one entity.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from harness.errors import HarnessError
from harness.models.example import Split
from harness.models.tasks import entities
from harness.prompts.examples import Entity, EntityType, Example, ExampleSet, write_examples

TYPES = (
    EntityType(1, "person", "A human being called by name, with title and family name where they stand."),
    EntityType(2, "place", "Where something happens, by its name: a town, a street, a park, a lake."),
    EntityType(3, "organization", "A firm, an institute or a club, by its name."),
    EntityType(4, "activity", "A sport, a craft or a pastime, with its practice, lessons or training."),
)
SPLITS: Mapping[str, int] = MappingProxyType({"train": 60, "validation": 60, "test": 120})
"""Examples in each of the committed files `fixtures/prompts/NAME.json`."""

FIXTURES = Path("fixtures/prompts")
SEED = 6
COMMENT = "Generated: harness.prompts.generate.write_splits. See README.md."

_FRUITLESS_TRIES = 2000  # in a row, then there are hardly any new entries left
_IDS = {each.name: each.id for each in TYPES}


def generate(count: int, *, seed: int, split: Split = "templates", sentences: int = 4) -> ExampleSet:
    """`count` examples of different texts of up to `sentences` sentences; the same seed gives the same.

    `split` "templates" holds out names and sentences, "names" only the names, "train" nothing. Raises
    HarnessError where so short entries do not come in so many forms.
    """
    r = random.Random(f"prompt examples {seed}")
    made: dict[str, tuple[Entity, ...]] = {}
    fruitless = 0
    while len(made) < count and fruitless < _FRUITLESS_TRIES:
        text, found = _entry(r, split, sentences)
        fruitless = 0 if found and text not in made else fruitless + 1
        if found:
            made.setdefault(text, found)
    if not 0 < len(made) == count:
        raise HarnessError(
            f"{count:,} different entries of up to {sentences} sentences",
            allowed=f"1 to {len(made):,}" if made else "1 and more",
            next_step="take another number of examples, or longer entries",
        )
    width = len(str(count))
    return ExampleSet(TYPES, tuple(Example(f"{i:0{width}}", *pair) for i, pair in enumerate(made.items(), 1)))


def generate_splits(seed: int = SEED, sizes: Mapping[str, int] = SPLITS) -> dict[str, ExampleSet]:
    """Sets of these sizes by name that share no text, ids as `train-01`."""
    everything = iter(generate(sum(sizes.values()), seed=seed).examples)
    return {
        name: ExampleSet(
            TYPES,
            tuple(
                Example(f"{name}-{number:0{len(str(size))}}", each.text, each.entities)
                for number, each in zip(range(1, size + 1), everything, strict=False)
            ),
        )
        for name, size in sizes.items()
    }


def write_splits(folder: Path = FIXTURES) -> None:
    """Write the committed files anew; unchanged code gives unchanged bytes."""
    for name, examples in generate_splits().items():
        write_examples(folder / f"{name}.json", examples, COMMENT)


def _entry(r: random.Random, split: Split, sentences: int) -> tuple[str, tuple[Entity, ...]]:
    """A text and its entities in their order, each once and as it is first written."""
    entry = entities.example(r, split, sentences)
    found: dict[tuple[str, int], Entity] = {}
    for span in entry.spans:
        entity = Entity(entry.text[span.start : span.end], _IDS[span.label])
        found.setdefault(entity.key, entity)
    return entry.text, tuple(found.values())
