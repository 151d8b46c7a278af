"""For each word the documents that have it: what BM25 is computed from."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Inverted:
    """`words` numbers the words in the order in which they first appear. The entries `starts[w]` to
    `starts[w + 1]` of `documents` and `counts` say which documents have word `w`, in order, and how often.
    `lengths` are the words of each document."""

    words: Mapping[str, int]
    starts: Integers
    documents: Integers
    counts: Floats
    lengths: Floats

    @property
    def holders(self) -> Integers:
        """How many documents have each word."""
        return np.diff(self.starts)


def invert(documents: Sequence[Sequence[str]]) -> Inverted:
    """The inverted lists of documents, each a list of words."""
    numbers: dict[str, int] = {}
    word_of, counts, holding = array("q"), array("q"), array("q")
    for document in documents:
        # keeps the order of first appearance
        counted = Counter(document)
        word_of.extend([numbers.setdefault(word, len(numbers)) for word in counted])
        counts.extend(counted.values())
        holding.append(len(counted))
    entries = np.array(word_of, dtype=np.int64)
    order = np.argsort(entries, kind="stable")
    starts = np.zeros(len(numbers) + 1, dtype=np.int64)
    np.cumsum(np.bincount(entries, minlength=len(numbers)), out=starts[1:])
    owners = np.repeat(np.arange(len(documents), dtype=np.int64), np.array(holding, dtype=np.int64))
    return Inverted(
        numbers,
        starts,
        owners[order],
        np.array(counts, dtype=np.float64)[order],
        np.array([len(document) for document in documents], dtype=np.float64),
    )
