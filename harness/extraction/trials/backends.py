"""Backends of BM25 by one interface: words in, the best chunks of each query out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from harness.extraction.retrieval.bm25 import Bm25, best
from harness.extraction.retrieval.bm25s_backend import Bm25s

TOP = 3
Chunks = Sequence[Sequence[str]]


class Index(Protocol):
    """Scores every chunk for a query."""

    def scores(self, query: Sequence[str]) -> Any:
        """One number for each chunk."""
        ...


class RankBm25:
    """rank-bm25's Okapi, as people use it."""

    def __init__(self, chunks: Chunks) -> None:
        from rank_bm25 import BM25Okapi

        self._index = BM25Okapi([list(chunk) for chunk in chunks])

    def scores(self, query: Sequence[str]) -> Any:
        """Its own scores."""
        return np.asarray(self._index.get_scores(list(query)))


OURS: Callable[[Chunks], Index] = Bm25
RANK: Callable[[Chunks], Index] = RankBm25


def index_bm25s(chunks: Chunks) -> Index:
    """bm25s on its fast path of numpy."""
    return Bm25s(chunks)


def top_chunks(index: Index, queries: Chunks) -> list[list[int]]:
    """The best chunks of each query."""
    return [best(index.scores(query), TOP) for query in queries]


def other_chunks(first: Sequence[Sequence[int]], second: Sequence[Sequence[int]]) -> list[float]:
    """For each query the share of the first's chunks that the second does not have."""
    return [len(set(a) - set(b)) / max(len(a), 1) for a, b in zip(first, second, strict=True)]
