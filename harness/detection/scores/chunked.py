"""Chunk level: each chunk of a response against the context chunk that a head attends to most.

Paper: attention is averaged over the block of a response chunk and a context chunk; the score of a head is
the cosine between the embeddings of the response chunk and of the context chunk with the highest average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from harness.detection.sample import Floats
from harness.detection.scores.options import Reduction

Ranges = Sequence[tuple[int, int]]


def indicator(ranges: Ranges, length: int) -> Floats:
    """One row of ones and zeros for each range, [ranges, length]; raises ValueError for an empty range."""
    table = np.zeros((len(ranges), length))
    for row, (start, end) in zip(table, ranges, strict=True):
        if not 0 <= start < end <= length:
            raise ValueError(f"the range {start} to {end} is empty or outside of {length} tokens")
        row[start:end] = 1.0
    return table


def block_attention(attention: ArrayLike, response: Ranges, context: Ranges, block: Reduction) -> Floats:
    """Attention of each response chunk to each context chunk, [heads, response chunks, context chunks].

    `attention` [heads, response tokens, prompt tokens]. Two products with indicator matrices, so that each
    weight is read once.
    """
    weights = np.asarray(attention, dtype=np.float64)
    left, right = indicator(response, weights.shape[1]), indicator(context, weights.shape[2])
    total = left @ weights @ right.T
    if block == "sum":
        return np.asarray(total)
    return np.asarray(total / (left.sum(axis=1)[:, None] * right.sum(axis=1)))


def chunk_external(blocks: ArrayLike, response: ArrayLike, context: ArrayLike) -> Floats:
    """External context score of each response chunk and head, [response chunks, heads].

    `blocks` as from `block_attention`; `response` and `context` [chunks, width] are embeddings, each chunk's
    computed once. Of equally attended context chunks the first wins.
    """
    cosines = _unit(response) @ _unit(context).T
    best = np.asarray(blocks).argmax(axis=2).T
    return np.asarray(np.take_along_axis(cosines, best, axis=1))


def pooled(token_scores: ArrayLike, chunks: Ranges, tokens: Reduction) -> Floats:
    """Mean or sum of token scores [response, layers] over each chunk, [chunks, layers].

    The sum grows with a chunk's length, which predicts hallucination by itself.
    """
    scores = np.asarray(token_scores, dtype=np.float64)
    ones = indicator(chunks, len(scores))
    total = ones @ scores
    return np.asarray(total if tokens == "sum" else total / ones.sum(axis=1, keepdims=True))


def _unit(vectors: ArrayLike) -> Floats:
    rows = np.asarray(vectors, dtype=np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
