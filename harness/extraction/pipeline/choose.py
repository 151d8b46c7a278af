"""Which ask is worth most: the text and the fields of which a look is expected to find most values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.extraction.pipeline.pieces import Pieces
from harness.extraction.pipeline.settings import Floats, Hits

_SHARES = (1.0, 0.5, 0.25)
"""Sizes that are tried, as shares of the largest."""


@dataclass(frozen=True, slots=True)
class Look:
    """Ask for these fields (their numbers) in these pieces of together so many tokens; so many values are
    expected."""

    fields: tuple[int, ...]
    pieces: tuple[int, ...]
    tokens: int
    expected: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """The most text, in tokens, and the most fields of one ask, the overlap of windows in tokens, and the
    least that must be expected of a field for each value that it asks for."""

    tokens: int
    fields: int
    overlap: int
    least: float = 0.0


class Choice:
    """The looks that are possible in one text. `topics` are the fields that belong together, as numbers."""

    def __init__(self, pieces: Pieces, sizes: Sizes, hits: Hits, topics: Sequence[Sequence[int]]) -> None:
        self._pieces = pieces
        self._sizes = sizes
        self._hits = hits
        self._topics = [np.array(topic, dtype=np.intp) for topic in topics]
        self._tokens = np.array(pieces.tokens, dtype=float)
        runs = [run for share in _SHARES for run in self._runs(share)]
        self._runs_all = np.array(list(dict.fromkeys(runs)), dtype=np.intp).reshape(-1, 2)
        self._run_sets = [np.arange(first, end, dtype=np.intp) for first, end in self._runs_all]

    def _runs(self, share: float) -> tuple[tuple[int, int], ...]:
        size = max(1, int(self._sizes.tokens * share))
        return self._pieces.windows(size, min(self._sizes.overlap, size // 2))

    def best(
        self,
        wanted: Floats,
        slots: Floats,
        *,
        refused: Callable[[Look], bool],
        cost: Callable[[Floats, Floats], Floats],
    ) -> Look | None:
        """The look with the most expected values for its cost; None when none expects any.

        `wanted` is the number of values expected per field on each piece, `slots` how many each field asks
        for; `cost` is that of so many values in so many tokens. Equal looks: windows before scattered pieces,
        earlier before later. `refused` are not taken.
        """
        sets, gains = self._candidates(wanted)
        held = np.array([self._tokens[chosen].sum() for chosen in sets])[:, None]
        # a field of which less is expected only makes the prompt longer, and invites what is not there
        gains = np.where(gains >= self._sizes.least * slots, gains, 0.0)
        order = np.argsort(-gains, axis=1, kind="stable")[:, : self._sizes.fields]
        ranked = np.cumsum(np.take_along_axis(gains, order, axis=1), axis=1)
        asked = np.cumsum(slots[order], axis=1)
        chance = self._hits.chance(asked, held)
        expected = ranked * chance
        per_cost = expected / cost(asked, held)
        count = per_cost.argmax(axis=1)
        # rounded, because sums of equal parts may differ in the last bit
        value = np.round(per_cost[np.arange(len(sets)), count], 12)
        for row in np.argsort(-value, kind="stable"):
            if not value[row] > 0.0:
                break
            k = int(count[row])
            fields = sorted(int(f) for f in order[row, : k + 1] if gains[row, f] > 0.0)
            chosen = tuple(int(piece) for piece in sets[row])
            look = Look(tuple(fields), chosen, int(held[row, 0]), float(expected[row, k]))
            if not refused(look):
                return look
        return None

    def scan(self, topics: Sequence[Sequence[int]]) -> Iterable[Look]:
        """Every window with every bundle, a window's asks one after the other; nothing is expected of them.

        A bundle is as many whole topics as fit into it; a larger topic is cut.
        """
        bundles: list[list[int]] = [[]]
        for topic in topics:
            if bundles[-1] and len(bundles[-1]) + len(topic) > self._sizes.fields:
                bundles.append([])
            for field in topic:
                if len(bundles[-1]) == self._sizes.fields:
                    bundles.append([])
                bundles[-1].append(field)
        for first, end in self._runs(1.0):
            held = int(self._tokens[first:end].sum())
            for bundle in bundles:
                yield Look(tuple(bundle), tuple(range(first, end)), held, 0.0)

    def _candidates(self, wanted: Floats) -> tuple[list[NDArray[np.intp]], Floats]:
        """Sets of pieces, and what a perfect look at each would find, shape [sets, fields]."""
        sums = np.concatenate([np.zeros((len(wanted), 1)), np.cumsum(wanted, axis=1)], axis=1)
        first, end = self._runs_all[:, 0], self._runs_all[:, 1]
        # differences of sums may fall below 0 by rounding
        gains: Floats = np.maximum(sums[:, end] - sums[:, first], 0.0).T
        scattered = list(self._scattered(wanted))
        if scattered:
            gains = np.concatenate([gains, [wanted[:, chosen].sum(axis=1) for chosen in scattered]])
        return [*self._run_sets, *scattered], gains

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
