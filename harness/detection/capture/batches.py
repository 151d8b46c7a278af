"""Which samples share a forward pass, and what that wastes, counted exactly. Lengths in, indices out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BUCKET = 1000
"""Technique 4 of the guide: tokens of a bucket."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches of sample numbers; each sample is in one.

    `is_packed`: a batch is one row of concatenated samples, each attending to itself only. Otherwise each
    sample has a row, padded on the right to the longest of the batch.
    """

    batches: tuple[tuple[int, ...], ...]
    is_packed: bool = False


@dataclass(frozen=True, slots=True)
class Waste:
    """What a plan computes against what it needs.

    Tokens go through the linear layers; pairs are (query, key) of causal attention, T (T + 1) / 2 for T
    tokens.
    """

    needed_tokens: int
    computed_tokens: int
    needed_pairs: int
    computed_pairs: int
    batches: int
    largest_batch_tokens: int

    @property
    def padding_share(self) -> float:
        """Share of the computed tokens that are padding."""
        return 1.0 - self.needed_tokens / self.computed_tokens

    @property
    def attention_inflation(self) -> float:
        """Pairs computed over pairs needed."""
        return self.computed_pairs / self.needed_pairs


def in_random_order(lengths: Sequence[int], size: int, seed: int) -> Plan:
    """Batches of `size` samples in a random order, as a shuffling loader makes them."""
    order = list(range(len(lengths)))
    random.Random(f"batches {seed}").shuffle(order)
    return Plan(_cut(order, size))


def in_buckets(
    lengths: Sequence[int], size_of: Callable[[int], int] | None = None, width: int = BUCKET
) -> Plan:
    """The guide's "packing": samples in order within each bucket of `width` tokens.

    `size_of` gives a batch's size from its bucket's lower bound, as the guide calls it.
    """
    size_of = size_of or guide_batch_size
    buckets: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        buckets.setdefault(length // width * width, []).append(number)
    return Plan(tuple(batch for lower in sorted(buckets) for batch in _cut(buckets[lower], size_of(lower))))


def guide_batch_size(length: int) -> int:
    """Technique 6 of the guide: the "safe batch size" of a sequence length."""
    limits = ((1000, 16), (2000, 8), (4000, 4), (6000, 2))
    return next((size for limit, size in limits if length < limit), 1)


def sorted_under(lengths: Sequence[int], token_budget: int) -> Plan:
    """Samples by length, longest first, as many to a batch as fit into the budget with their padding.

    A sample longer than the budget is alone. Longest first: what does not fit into memory fails at once.
    """
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        if batch and lengths[batch[0]] * (len(batch) + 1) > token_budget:
            batches.append(tuple(batch))
            batch = []
        batch.append(number)
    return Plan((*batches, *([tuple(batch)] if batch else [])))


def packed_under(lengths: Sequence[int], token_budget: int) -> Plan:
    """True packing: samples concatenated up to the budget, by first fit with the longest first."""
    rows: list[list[int]] = []
    left: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        fitting = (row for row, room in enumerate(left) if room >= lengths[number])
        row = next(fitting, len(rows))
        if row == len(rows):
            rows.append([])
            left.append(token_budget)
        rows[row].append(number)
        left[row] -= lengths[number]
    return Plan(tuple(map(tuple, rows)), is_packed=True)


def waste(plan: Plan, lengths: Sequence[int]) -> Waste:
    """Count what a plan computes; raises ValueError when it does not hold each sample once."""
    if sorted(number for batch in plan.batches for number in batch) != list(range(len(lengths))):
        raise ValueError("a plan holds each sample once")
    tokens, pairs = [], []
    for batch in plan.batches:
        inside = [lengths[number] for number in batch]
        rows = inside if plan.is_packed else [max(inside)] * len(batch)
        tokens.append(sum(rows))
        pairs.append(sum(map(_pairs, rows)))
    return Waste(
        needed_tokens=sum(lengths),
        computed_tokens=sum(tokens),
        needed_pairs=sum(map(_pairs, lengths)),
        computed_pairs=sum(pairs),
        batches=len(plan.batches),
        largest_batch_tokens=max(tokens, default=0),
    )


def _pairs(length: int) -> int:
    return length * (length + 1) // 2


def _cut(order: Sequence[int], size: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(order[start : start + size]) for start in range(0, len(order), size))
