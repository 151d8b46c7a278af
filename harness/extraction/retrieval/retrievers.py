"""Retrievers: a query text in, the numbers of the best texts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from harness.engines.protocol import EngineFailure
from harness.extraction.retrieval.bm25 import Bm25, best
from harness.extraction.retrieval.inverted import Floats
from harness.extraction.retrieval.words import words

Embed = Callable[[Sequence[str]], Floats]
"""One row of numbers for each text, shape [texts, dimensions]."""
Words = Callable[[str], list[str]]

_FETCHED = 3


class Retriever(Protocol):
    """Finds the texts that a query is about."""

    def top(self, query: str, k: int) -> list[int]:
        """The numbers of up to `k` texts, the best first, of equally good ones the first."""
        ...


class Scored(Retriever, Protocol):
    """A retriever that also says how good each text is."""

    def scored(self, query: str, k: int) -> list[tuple[int, float]]:
        """`top`, each with its score."""
        ...


class WordIndex(Protocol):
    """What scores lists of words: `Bm25`, its variants, `Bm25s`."""

    def scores(self, query: Sequence[str]) -> Floats:
        """The score of every document."""
        ...


class Bm25Retriever:
    """BM25 over the words of texts; a text without a word of the query is never found.

    `split` makes words of texts and queries, `expand` may add words to a query, `index` scores.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        split: Words = words,
        expand: Callable[[Sequence[str]], Sequence[str]] | None = None,
        index: Callable[[Sequence[Sequence[str]]], WordIndex] = Bm25,
    ) -> None:
        self._split, self._expand = split, expand
        self._index = index([split(text) for text in texts])

    def top(self, query: str, k: int) -> list[int]:
        """See `Retriever`."""
        return best(self._scores(query), k)

    def scored(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Scored`."""
        scores = self._scores(query)
        return [(number, float(scores[number])) for number in best(scores, k)]

    def _scores(self, query: str) -> Floats:
        found = self._split(query)
        return self._index.scores(found if self._expand is None else self._expand(found))


class EmbeddingRetriever:
    """Cosine of embeddings. Every text has one, so `k` texts are found while there are as many.

    Raises EngineFailure for embeddings that are not one finite row for each text.
    """

    def __init__(self, texts: Sequence[str], embed: Embed) -> None:
        self._embed = embed
        self._rows = _units(embed, texts) if texts else np.zeros((0, 0))

    def top(self, query: str, k: int) -> list[int]:
        """See `Retriever`."""
        return [number for number, _ in self.scored(query, k)]

    def scored(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Scored`."""
        if not len(self._rows) or k < 1:
            return []
        row = _units(self._embed, [query])[0]
        if row.shape != self._rows.shape[1:]:
            raise EngineFailure(
                f"an embedding of {row.size} numbers where the others have {self._rows.shape[1]}"
            )
        # not a matrix product: its last bits depend on how many rows there are and on the threads
        cosines = np.einsum("td,d->t", self._rows, row)
        order = np.argsort(-cosines, kind="stable")[:k]
        return [(int(number), float(cosines[number])) for number in order]


class HybridRetriever:
    """Both together: the best 3k of each, their scores stretched to 0..1, summed; the second has `weight`.

    A text that one of them did not bring has 0 from it. Where all scores of one are equal they count 1.
    """

    def __init__(self, first: Scored, second: Scored, *, weight: float = 0.5) -> None:
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"the weight is {weight}, it lies between 0 and 1")
        self._parts = ((first, 1.0 - weight), (second, weight))

    def top(self, query: str, k: int) -> list[int]:
        """See `Retriever`."""
        return [number for number, _ in self.scored(query, k)]

    def scored(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Scored`."""
        sums: dict[int, float] = {}
        for retriever, weight in self._parts:
            for number, share in _stretched(retriever.scored(query, _FETCHED * k)):
                sums[number] = sums.get(number, 0.0) + weight * share
        return sorted(sums.items(), key=lambda each: (-each[1], each[0]))[: max(k, 0)]


def _stretched(found: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    scores = [score for _, score in found]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if high == low:
        return [(number, 1.0) for number, _ in found]
    return [(number, (score - low) / (high - low)) for number, score in found]


def _units(embed: Embed, texts: Sequence[str]) -> Floats:
    """The embeddings at length 1; one of zeros stays."""
    rows = np.asarray(embed(texts), dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(texts):
        raise EngineFailure(f"embeddings of shape {rows.shape} for {len(texts)} texts")
    if not np.isfinite(rows).all():
        raise EngineFailure("an embedding has numbers that are not finite")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0.0, lengths, 1.0), dtype=np.float64)
