import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.protocol import EngineFailure
from harness.extraction.retrieval import (
    Bm25Retriever,
    EmbeddingRetriever,
    HybridRetriever,
    documented_words,
    expanded,
    okapi,
)

TEXTS = ["The margin is 2.50%.", "The borrower pays a fee.", "Final repayment date: 03/2031.", ""]


def letters(texts):
    """How often each letter is in a text."""
    return np.array(
        [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
    )


def test_bm25_finds_texts_with_words_of_the_query_only():
    retriever = Bm25Retriever(TEXTS)
    assert retriever.top("margin 2.50 %", 3) == [0]
    assert retriever.top("unknown", 3) == []
    assert retriever.top("", 3) == []
    assert Bm25Retriever([]).top("margin", 3) == []


def test_bm25_takes_other_words_more_words_and_other_indexes():
    assert Bm25Retriever(TEXTS, expand=expanded).top("maturity", 3)[0] == 2
    assert Bm25Retriever(TEXTS, split=documented_words).top("50", 3) == [0]
    assert Bm25Retriever(TEXTS, index=okapi).top("margin", 3) == [0]


def test_embeddings_rank_by_cosine_and_by_number_among_equals():
    retriever = EmbeddingRetriever(["bbb", "a", "ab", "aa", ""], letters)
    assert retriever.top("aaaa", 9) == [1, 3, 2, 0, 4]
    assert retriever.scored("aaaa", 2) == [(1, 1.0), (3, 1.0)]
    assert retriever.top("a", 0) == []
    assert EmbeddingRetriever([], letters).top("a", 3) == []


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (np.zeros((1, 3)), "shape"),
        (np.zeros(2), "shape"),
        (np.full((2, 3), np.nan), "not finite"),
    ],
)
def test_embeddings_that_are_none_are_a_failure(rows, what):
    with pytest.raises(EngineFailure, match=what):
        EmbeddingRetriever(["a", "b"], lambda _: rows)


def test_a_query_of_another_size_is_a_failure():
    retriever = EmbeddingRetriever(["a", "b"], lambda texts: np.ones((len(texts), len(texts))))
    with pytest.raises(EngineFailure, match="1 numbers where the others have 2"):
        retriever.top("a", 1)


class Fixed:
    """A retriever with given scores."""

    def __init__(self, *found):
        self.found = list(found)
        self.asked = 0

    def scored(self, query, k):
        self.asked = k
        return self.found[:k]

    def top(self, query, k):
        return [number for number, _ in self.scored(query, k)]


def test_both_together_are_stretched_and_summed():
    first, second = Fixed((0, 9.0), (1, 5.0), (2, 1.0)), Fixed((2, 0.9), (1, 0.5), (3, 0.1))
    hybrid = HybridRetriever(first, second)
    assert hybrid.scored("query", 9) == [(0, 0.5), (1, 0.5), (2, 0.5), (3, 0.0)]
    assert HybridRetriever(first, second, weight=0.75).top("query", 9) == [2, 1, 0, 3]
    assert HybridRetriever(first, second, weight=0.0).top("query", 1) == [0]


def test_both_are_asked_for_three_times_as_many():
    first, second = Fixed((0, 1.0)), Fixed()
    assert HybridRetriever(first, second).scored("query", 4) == [(0, 0.5)]
    assert (first.asked, second.asked) == (12, 12)


def test_a_weight_out_of_range_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        HybridRetriever(Fixed(), Fixed(), weight=1.5)


@settings(deadline=None)
@given(st.lists(st.text("ab c", max_size=6), max_size=8), st.text("ab c", max_size=6), st.integers(0, 10))
def test_every_retriever_finds_at_most_k_different_texts(texts, query, k):
    lexical, dense = Bm25Retriever(texts), EmbeddingRetriever(texts, letters)
    for retriever in (lexical, dense, HybridRetriever(lexical, dense)):
        found = retriever.top(query, k)
        assert len(found) <= min(k, len(texts))
        assert len(set(found)) == len(found)
        assert found == [number for number, _ in retriever.scored(query, k)]
        scores = [score for _, score in retriever.scored(query, k)]
        assert scores == sorted(scores, reverse=True)
