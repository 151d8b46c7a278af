"""BM25 by the package bm25s: the scores of our own `Bm25` up to rounding, made safe at its edges.

bm25s keeps only entries that a word has, as ours does; it builds slower and scores faster (research 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.extraction.retrieval.bm25 import K1, B, best
from harness.extraction.retrieval.inverted import Floats


class Bm25s:
    """The same as `Bm25` in its default variant. Its index cannot be empty and its queries neither: here they
    score 0."""

    def __init__(self, documents: Sequence[Sequence[str]], k1: float = K1, b: float = B) -> None:
        import bm25s

        self._documents = len(documents)
        self._factor = k1 + 1
        self._index: Any = None
        if any(documents):
            # single precision would tie documents that differ, and part some that do not
            self._index = bm25s.BM25(method="lucene", k1=k1, b=b, dtype="float64", int_dtype="int64")
            # ids of our own: its vocabulary is a set, whose order the hash seed decides
            numbers: dict[str, int] = {}
            ids = [[numbers.setdefault(word, len(numbers)) for word in each] for each in documents]
            self._index.index((ids, numbers), create_empty_token=False, show_progress=False)
            self._numbers = numbers

    def __len__(self) -> int:
        return self._documents

    def scores(self, query: Sequence[str]) -> Floats:
        """The score of every document; words that none has count nothing."""
        if self._index is None:
            return np.zeros(self._documents)
        known = [self._numbers[word] for word in query if word in self._numbers]
        if not known:
            return np.zeros(self._documents)
        # it leaves out the factor k1 + 1, which changes no order
        return np.asarray(self._index.get_scores_from_ids(known), dtype=np.float64) * self._factor

    def top(self, query: Sequence[str], k: int) -> list[int]:
        """The numbers of the k best documents, see `best`."""
        return best(self.scores(query), k)
