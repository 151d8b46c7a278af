"""Texts and queries that retrieval backends are compared on. Nothing is timed here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUERIES = 12
QUERY_WORDS = 45
FREQUENT_WORDS = 15
VOCABULARY = 20_000
_FREQUENT_RANKS = 100


@dataclass(frozen=True, slots=True)
class Trial:
    """Chunks and queries, each a list of words."""

    chunks: tuple[list[str], ...]
    queries: tuple[list[str], ...]


def zipf_trial(
    chunks: int,
    tokens: int,
    *,
    queries: int = QUERIES,
    query_words: int = QUERY_WORDS,
    frequent_words: int = FREQUENT_WORDS,
    vocabulary: int = VOCABULARY,
    seed: int = 0,
) -> Trial:
    """`chunks` chunks of `tokens` words, the word of rank r with a chance in proportion to 1 / r.

    A query's words are different; `frequent_words` of them are of the 100 most frequent ranks, as in the
    queries of field groups, which are full of function words. The defaults are those of research 4.2. The
    same arguments give the same trial, and every backend's own split leaves each word whole.
    """
    r = np.random.default_rng(seed)
    names = [f"w{rank:05d}" for rank in range(vocabulary)]
    chances = 1.0 / np.arange(1, vocabulary + 1)
    ranks = r.choice(vocabulary, size=(chunks, tokens), p=chances / chances.sum())
    border = min(_FREQUENT_RANKS, vocabulary)
    asked = [
        [
            *r.choice(border, size=min(frequent_words, border), replace=False),
            *r.choice(np.arange(border, vocabulary), size=query_words - frequent_words, replace=False),
        ]
        for _ in range(queries)
    ]
    return Trial(
        tuple([names[rank] for rank in row] for row in ranks.tolist()),
        tuple([names[int(rank)] for rank in row] for row in asked),
    )
