"""Dividing examples so that every part has its share of each entity type."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.prompts.examples import Example, ExampleSet


def stratified(examples: ExampleSet, sizes: Sequence[int], seed: int) -> list[ExampleSet]:
    """Parts of exactly these sizes, which add up to the whole; each keeps the order of the examples.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, ECML PKDD, pages 145-158): the examples of
    the type that is rarest among those left go first, each to where all of its types together are needed
    most. Which part an example gets depends on the seed and the ids, whatever their order.
    """
    if sum(sizes) != len(examples.examples) or min(sizes) < 0:
        raise ValueError(f"{len(examples.examples)} examples in parts of {list(sizes)}")
    r = random.Random(f"split {seed}")
    left = sorted(examples.examples, key=lambda each: each.id)
    r.shuffle(left)
    parts = [_part(left, size) for size in sizes]
    part_of: dict[str, _Part] = {}
    while left:
        kind = _rarest(left)
        for each in [each for each in left if kind is None or kind in _types(each)]:
            part_of[each.id] = _neediest(each, parts, r)
            part_of[each.id].take(each)
        left = [each for each in left if each.id not in part_of]
    return [
        ExampleSet(examples.types, tuple(each for each in examples.examples if part_of[each.id] is part))
        for part in parts
    ]


@dataclass(slots=True, eq=False)
class _Part:
    """A part being filled: examples it still takes, and by type how many it should have and lacks."""

    size: int
    room: int
    wanted: Mapping[int, float]
    lacks: dict[int, float]

    def need(self, example: Example) -> tuple[float, float]:
        """By how much taking it would lower the squared errors of its types, relative to what is wanted."""
        gain = sum((2.0 * self.lacks[kind] - 1.0) / self.wanted[kind] for kind in _types(example))
        return gain, self.room / self.size

    def take(self, example: Example) -> None:
        self.room -= 1
        for kind in _types(example):
            self.lacks[kind] -= 1.0


def _part(examples: Sequence[Example], size: int) -> _Part:
    whole = Counter(kind for each in examples for kind in _types(each))
    wanted = {kind: count * size / len(examples) for kind, count in whole.items()}
    return _Part(size, size, wanted, dict(wanted))


def _types(example: Example) -> list[int]:
    return sorted({entity.type_id for entity in example.entities})


def _rarest(left: Sequence[Example]) -> int | None:
    """The type that fewest of the examples have, the least id among equals; None where none has any."""
    counts = Counter(kind for each in left for kind in _types(each))
    return min(counts, key=lambda kind: (counts[kind], kind), default=None)


def _neediest(example: Example, parts: Sequence[_Part], r: random.Random) -> _Part:
    """The part with room that needs the example most, one by chance among equals."""
    needs = [(part.need(example), part) for part in parts if part.room]
    most = max(need for need, _ in needs)
    return r.choice([part for need, part in needs if need == most])
