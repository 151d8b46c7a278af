"""BM25 over inverted lists: the same scores whatever the hash seed, and one rule for ties.

A document's score is the sum over the query's words of idf x (delta + tf (k1 + 1) / (tf + k1 (1 - b + b
length / mean length))), tf being how often it has the word. A word that is twice in the query counts twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.extraction.retrieval.inverted import Floats, Inverted, invert

K1 = 1.5
B = 0.75


@dataclass(frozen=True, slots=True)
class Weighting:
    """A variant of BM25: each word's `idf` from the inverted lists, and `delta`."""

    idf: Callable[[Inverted], Floats]
    delta: float = 0.0


def lucene_idf(lists: Inverted) -> Floats:
    """ln(1 + (N - df + 0.5) / (df + 0.5)), above 0 for every word: Lucene's, and the documented one."""
    held = lists.holders
    return np.log1p((len(lists.lengths) - held + 0.5) / (held + 0.5))


LUCENE = Weighting(lucene_idf)


class Bm25:
    """Scores of documents, each a list of words. Raises ValueError unless k1 >= 0 and 0 <= b <= 1."""

    def __init__(
        self,
        documents: Sequence[Sequence[str]],
        k1: float = K1,
        b: float = B,
        *,
        weighting: Weighting = LUCENE,
    ) -> None:
        if not (k1 >= 0.0 and 0.0 <= b <= 1.0):
            raise ValueError(f"k1 is {k1} and b is {b}, they lie in [0, inf) and [0, 1]")
        self._lists = lists = invert(documents)
        self._delta = weighting.delta
        self._idf = weighting.idf(lists)
        # where no document has a word its length divides nothing
        mean = lists.lengths.sum() / len(lists.lengths) if lists.words else 1.0
        # in this order of operations the okapi form has the bits of rank_bm25
        normal = k1 * (1 - b + b * lists.lengths / mean)
        saturated = lists.counts * (k1 + 1) / (lists.counts + normal[lists.documents])
        self._parts = np.repeat(self._idf, lists.holders) * saturated

    def __len__(self) -> int:
        return len(self._lists.lengths)

    def scores(self, query: Sequence[str]) -> Floats:
        """The score of every document; words that none has count nothing."""
        lists = self._lists
        scores = np.zeros(len(self))
        for word in query:
            number = lists.words.get(word)
            if number is None:
                continue
            if self._delta:
                scores += self._idf[number] * self._delta
            entries = slice(lists.starts[number], lists.starts[number + 1])
            scores[lists.documents[entries]] += self._parts[entries]
        return scores

    def top(self, query: Sequence[str], k: int) -> list[int]:
        """The numbers of the k best documents, see `best`."""
        return best(self.scores(query), k)


def best(scores: Floats, k: int) -> list[int]:
    """Where the k highest scores stand, the highest first, of equal ones the first; only scores above 0."""
    candidates = np.flatnonzero(scores > 0.0)
    if k < 1 or not candidates.size:
        return []
    if candidates.size > k:
        kept = scores[candidates]
        candidates = candidates[kept >= np.partition(kept, candidates.size - k)[candidates.size - k]]
    # stable, so equal scores stay in the order of their numbers
    order = np.argsort(-scores[candidates], kind="stable")[:k]
    return [int(number) for number in candidates[order]]


def okapi(documents: Sequence[Sequence[str]], k1: float = K1, b: float = B, *, epsilon: float = 0.25) -> Bm25:
    """BM25Okapi of rank_bm25, bit for bit: idf = ln((N - df + 0.5) / (df + 0.5)), and a word that more than
    half of the documents have weighs `epsilon` x the mean idf."""

    def floored(lists: Inverted) -> Floats:
        total = len(lists.lengths)
        # logs apart and their sum in a loop (`sum` compensates in later Pythons), or the last bits differ
        idf = [math.log(total - held + 0.5) - math.log(held + 0.5) for held in lists.holders.tolist()]
        summed = 0.0
        for each in idf:
            summed += each
        floor = epsilon * (summed / max(len(idf), 1))
        return np.array([floor if each < 0 else each for each in idf], dtype=np.float64)

    return Bm25(documents, k1, b, weighting=Weighting(floored))


def plus(documents: Sequence[Sequence[str]], k1: float = K1, b: float = B, *, delta: float = 1.0) -> Bm25:
    """BM25+ (Lv and Zhai 2011): idf = ln((N + 1) / df); documents without a word have delta x its idf too."""

    def idf(lists: Inverted) -> Floats:
        return np.log((len(lists.lengths) + 1) / lists.holders)

    return Bm25(documents, k1, b, weighting=Weighting(idf, delta))
