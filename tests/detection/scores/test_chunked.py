"""Chunk level against loops, and what a sum does that a mean does not."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.detection.scores.chunked import block_attention, chunk_external, indicator, pooled

SEEDS = st.integers(0, 10**6)


def ranges(r, length):
    cuts = sorted({0, length, *r.integers(1, length, size=3).tolist()})
    return list(pairwise(cuts))


@given(seed=SEEDS)
def test_blocks_and_their_chunks_are_what_loops_find(seed):
    r = np.random.default_rng(seed)
    attention = r.random((3, 9, 14))
    response, context = ranges(r, 9), ranges(r, 14)
    left, right = r.normal(size=(len(response), 4)), r.normal(size=(len(context), 4))
    for block, reduce in (("mean", np.mean), ("sum", np.sum)):
        blocks = block_attention(attention, response, context, block)
        found = chunk_external(blocks, left, right)
        for head in range(3):
            for m, (a, b) in enumerate(response):
                wanted = [reduce(attention[head, a:b, c:d]) for c, d in context]
                assert blocks[head, m] == pytest.approx(wanted)
                best = right[int(np.argmax(blocks[head, m]))]
                cosine = left[m] @ best / np.linalg.norm(left[m]) / np.linalg.norm(best)
                assert found[m, head] == pytest.approx(cosine)


@given(seed=SEEDS)
def test_a_sum_over_tokens_is_the_mean_times_the_length(seed):
    r = np.random.default_rng(seed)
    scores, chunks = r.random((12, 2)), ranges(r, 12)
    lengths = np.array([[end - start] for start, end in chunks])
    assert pooled(scores, chunks, "sum") == pytest.approx(pooled(scores, chunks, "mean") * lengths)
    assert pooled(scores, chunks, "mean")[0] == pytest.approx(scores[slice(*chunks[0])].mean(axis=0))


def test_a_sum_over_a_block_favours_the_long_chunk():
    attention = np.full((1, 1, 10), 0.05)
    attention[0, 0, 0] = 0.2
    short_first = [(0, 1), (1, 10)]
    assert block_attention(attention, [(0, 1)], short_first, "mean").argmax() == 0
    assert block_attention(attention, [(0, 1)], short_first, "sum").argmax() == 1


def test_an_empty_or_outside_range_is_refused():
    for wrong in ((2, 2), (0, 6), (-1, 2)):
        with pytest.raises(ValueError, match="empty or outside"):
            indicator([wrong], 5)
