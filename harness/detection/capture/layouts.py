"""How the samples of a batch lie in the model's input: padded rows, or one packed row without padding.

A response's last token is predicted and predicts nothing that is scored, so it is never fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.detection.capture.batches import packed_under, sorted_under
from harness.detection.sample import Sample

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens [start, end) of a packed row: causal among themselves, and after all of `before`."""

    start: int
    end: int
    before: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample lies: its number, its row, its first token in that row, its predicting positions."""

    number: int
    row: int
    start: int
    queries: Whole


@dataclass(frozen=True, slots=True)
class Layout:
    """A batch as the model reads it: `tokens` and `positions` [rows, width], and where the samples are.

    Without `pieces` each row is causal from its first token; padding lies on the right, where no token of a
    sample sees it.
    """

    tokens: Whole
    positions: Whole
    places: tuple[Place, ...]
    pieces: tuple[Piece, ...] = ()

    def query_rows(self) -> tuple[Whole, Whole]:
        """Row and column of all samples' predicting positions, one sample after the other."""
        rows = np.concatenate([np.full(len(place.queries), place.row) for place in self.places])
        return rows, np.concatenate([place.queries for place in self.places])


def padded(samples: Sequence[Sample], numbers: Sequence[int]) -> Layout:
    """Each sample in a row of its own, padded on the right."""
    width = max(len(samples[number].tokens) for number in numbers) - 1
    tokens = np.zeros((len(numbers), max(width, 1)), dtype=np.int64)
    places = []
    for row, number in enumerate(numbers):
        sample = samples[number]
        tokens[row, : len(sample.tokens) - 1] = sample.tokens[:-1]
        places.append(Place(number, row, 0, np.arange(sample.prefix - 1, len(sample.tokens) - 1)))
    positions = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape).copy()
    return Layout(tokens, positions, tuple(places))


def packed(samples: Sequence[Sample], groups: Sequence[Sequence[int]]) -> Layout:
    """Groups of samples with equal prompts, one after the other in a single row, each prompt once."""
    tokens: list[int] = []
    positions: list[int] = []
    places, pieces = [], []
    for group in groups:
        prefix, start = samples[group[0]].prefix, len(tokens)
        tokens += samples[group[0]].tokens[:prefix]
        positions += range(prefix)
        alone = len(group) == 1
        if not alone:
            pieces.append(Piece(start, start + prefix))
        for number in group:
            answer, at = samples[number].tokens[prefix:-1], len(tokens)
            tokens += answer
            positions += range(prefix, prefix + len(answer))
            if answer and not alone:
                pieces.append(Piece(at, len(tokens), (start, start + prefix)))
            queries = np.array([start + prefix - 1, *range(at, len(tokens))], dtype=np.int64)
            places.append(Place(number, 0, start, queries))
        if alone:
            pieces.append(Piece(start, len(tokens)))
    return Layout(np.array([tokens]), np.array([positions]), tuple(places), tuple(pieces))


def padded_batches(samples: Sequence[Sample], token_budget: int) -> list[Layout]:
    """Sorted by length, padded on the right, at most so many tokens with the padding."""
    plan = sorted_under([len(sample.tokens) - 1 for sample in samples], token_budget)
    return [padded(samples, batch) for batch in plan.batches]


def packed_batches(samples: Sequence[Sample], token_budget: int) -> list[Layout]:
    """Packed without padding, no prompt shared."""
    plan = packed_under([len(sample.tokens) - 1 for sample in samples], token_budget)
    return [packed(samples, [[number] for number in batch]) for batch in plan.batches]


def shared_batches(samples: Sequence[Sample], token_budget: int) -> list[Layout]:
    """Packed, and samples with token for token the same prompt read it once.

    RAGTruth has six responses to each source: a third of the tokens. A prompt whose responses are longer
    than the budget, and than three prompts, is read again for the next of them.
    """
    groups = [part for group in same_prompt(samples) for part in _parts(samples, group, token_budget)]
    lengths = [_group_tokens(samples, group) for group in groups]
    plan = packed_under(lengths, token_budget)
    return [packed(samples, [groups[number] for number in batch]) for batch in plan.batches]


def same_prompt(samples: Sequence[Sample]) -> list[list[int]]:
    """Sample numbers by equal prompt, in order of first appearance."""
    found: dict[Any, list[int]] = {}
    for number, sample in enumerate(samples):
        found.setdefault(sample.tokens[: sample.prefix], []).append(number)
    return list(found.values())


def _parts(samples: Sequence[Sample], group: Sequence[int], token_budget: int) -> list[list[int]]:
    """The group in parts, each below the larger of the budget and four prompts unless it is a single one."""
    prefix = samples[group[0]].prefix
    most = max(token_budget, 4 * prefix)
    parts: list[list[int]] = []
    width = 0
    for number in group:
        more = samples[number].response - 1
        if not parts or width + more > most:
            parts.append([])
            width = prefix
        parts[-1].append(number)
        width += more
    return parts


def _group_tokens(samples: Sequence[Sample], group: Sequence[int]) -> int:
    return samples[group[0]].prefix + sum(samples[number].response - 1 for number in group)
