"""Which ask is worth most: the text and the fields of which a look is expected to find most values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.extraction.pipeline.demand import Floats
from harness.extraction.pipeline.pieces import Pieces
from harness.extraction.pipeline.settings import Hits

_SHARES = (1.0, 0.5, 0.25)
"""Sizes that are tried, as shares of the largest."""


@dataclass(frozen=True, slots=True)
class Look:
    """Ask for these fields (their numbers) in these pieces; expected are so many values, each that is there
    with this chance."""

    fields: tuple[int, ...]
    pieces: tuple[int, ...]
    tokens: int
    chance: float
    expected: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """The most text, in tokens, and the most fields of one ask, and the overlap of windows in tokens."""

    tokens: int
    fields: int
    overlap: int


class Choice:
    """The looks that are possible in one text. `topics` are the fields that belong together, as numbers."""

    def __init__(
        self, pieces: Pieces, sizes: Sizes, hits: Hits, topics: Sequence[Sequence[int]]
    ) -> None:
        self._pieces = pieces
        self._sizes = sizes
        self._hits = hits
        self._topics = [np.array(topic, dtype=np.intp) for topic in topics]
        self._tokens = np.array(pieces.tokens, dtype=float)
        runs = [run for share in _SHARES for run in self._runs(share)]
        self._runs_all = np.array(list(dict.fromkeys(runs)), dtype=np.intp).reshape(-1, 2)

    def _runs(self, share: float) -> tuple[tuple[int, int], ...]:
        size = max(1, int(self._sizes.tokens * share))
        return self._pieces.windows(size, min(self._sizes.overlap, size // 2))

    def best(
        self,
        wanted: Floats,
        *,
        refused: Callable[[Look], bool],
        cost: Callable[[Look], float],
    ) -> Look | None:
        """The look with the most expected values for its cost; None when none expects any.

        Equal ones: windows before scattered pieces, earlier before later. `refused` are not taken.
        """
        chosen: Look | None = None
        most = 0.0
        for look in self._looks(wanted):
            if look.expected <= 0.0 or refused(look):
                continue
            value = look.expected / cost(look)
            # a hair more is no reason: sums of equal parts may differ in the last bit
            if value > most * (1.0 + 1e-9):
                chosen, most = look, value
        return chosen

    def _looks(self, wanted: Floats) -> Iterable[Look]:
        """The best fields for every window, and for the best pieces of every topic."""
        sums = np.concatenate([np.zeros((len(wanted), 1)), np.cumsum(wanted, axis=1)], axis=1)
        sizes = np.concatenate([[0.0], np.cumsum(self._tokens)])
        first, end = self._runs_all[:, 0], self._runs_all[:, 1]
        gains = np.maximum(sums[:, end] - sums[:, first], 0.0).T
        held = sizes[end] - sizes[first]
        sets: list[NDArray[np.intp]] = [np.arange(a, b, dtype=np.intp) for a, b in self._runs_all]
        scattered = list(self._scattered(wanted))
        if scattered:
            sets += scattered
            gains = np.concatenate([gains, [wanted[:, chosen].sum(axis=1) for chosen in scattered]])
            held = np.concatenate([held, [self._tokens[chosen].sum() for chosen in scattered]])
        order = np.argsort(-gains, axis=1, kind="stable")
        ranked = np.cumsum(np.take_along_axis(gains, order, axis=1), axis=1)[:, : self._sizes.fields]
        chance = np.array(
            [[self._hits.chance(k + 1, int(tokens)) for k in range(ranked.shape[1])] for tokens in held]
        )
        expected = ranked * chance
        count = expected.argmax(axis=1)
        for number, k in enumerate(count):
            # a field of which nothing is expected only makes the prompt longer
            fields = [int(f) for f in order[number, : k + 1] if gains[number, f] > 0.0]
            yield Look(
                tuple(sorted(fields)),
                tuple(int(piece) for piece in sets[number]),
                int(held[number]),
                float(chance[number, k]),
                float(expected[number, k]),
            )

    def _scattered(self, wanted: Floats) -> Iterable[NDArray[np.intp]]:
        """For every topic and for all fields the pieces with most demand for their length, by size."""
        for topic in [*self._topics, np.arange(len(wanted), dtype=np.intp)]:
            demand = wanted[topic].sum(axis=0)
            if not demand.max() > 0.0:
                continue
            order = np.argsort(-demand / self._tokens, kind="stable")
            order = order[demand[order] > 0.0]
            lengths = np.cumsum(self._tokens[order])
            for share in _SHARES:
                fitting = int(np.searchsorted(lengths, self._sizes.tokens * share, side="right"))
                yield np.sort(order[: max(1, fitting)])
