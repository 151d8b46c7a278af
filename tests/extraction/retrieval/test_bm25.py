import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.retrieval.bm25 import Bm25, best, okapi, plus
from harness.extraction.retrieval.bm25s_backend import Bm25s
from harness.extraction.retrieval.inverted import invert
from harness.extraction.retrieval.trials import zipf_trial

TRIALS = {(60, 300): zipf_trial(60, 300, seed=1), (400, 60): zipf_trial(400, 60, seed=2)}
DOCUMENTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=12)
QUERY = st.lists(st.sampled_from("abcdefghxyz"), max_size=8)


def slowly(documents, query, k1=1.5, b=0.75):
    """The formula of the documented pipeline, document by document."""
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in query:
            tf = document.count(word)
            df = sum(word in other for other in documents)
            idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
            if tf:
                score += idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


@settings(deadline=None)
@given(DOCUMENTS.filter(bool), QUERY, st.floats(0.0, 3.0), st.floats(0.0, 1.0))
def test_the_default_is_the_documented_formula(documents, query, k1, b):
    assert Bm25(documents, k1, b).scores(query) == pytest.approx(slowly(documents, query, k1, b), abs=1e-12)


@settings(deadline=None)
@given(DOCUMENTS.filter(any), QUERY)
def test_okapi_is_rank_bm25s_bit_for_bit(documents, query):
    from rank_bm25 import BM25Okapi

    assert okapi(documents).scores(query).tolist() == BM25Okapi(documents).get_scores(query).tolist()


@settings(deadline=None)
@given(DOCUMENTS.filter(any), QUERY)
def test_plus_is_rank_bm25s(documents, query):
    from rank_bm25 import BM25Plus

    theirs = BM25Plus(documents, delta=1).get_scores(query)
    assert plus(documents).scores(query) == pytest.approx(theirs, abs=1e-12)


@settings(deadline=None)
@given(DOCUMENTS, QUERY, st.integers(0, 15))
def test_the_fast_backend_gives_the_same(documents, query, k):
    ours, theirs = Bm25(documents), Bm25s(documents)
    assert theirs.scores(query) == pytest.approx(ours.scores(query), abs=1e-12)
    assert len(theirs) == len(ours) == len(documents)
    assert len(theirs.top(query, k)) == len(ours.top(query, k))


def theirs_of(documents, method, **options):
    import bm25s

    index = bm25s.BM25(method=method, k1=1.5, b=0.75, dtype="float64", **options)
    index.index(list(documents), show_progress=False)
    return index


@pytest.mark.parametrize("shape", TRIALS, ids=str)
class TestExactRelations:
    """Those of research 4.3."""

    def test_plus_with_delta_1_is_bm25s_plus(self, shape):
        from rank_bm25 import BM25Plus

        trial = TRIALS[shape]
        ours, rank = plus(trial.chunks), BM25Plus(trial.chunks, delta=1)
        theirs = theirs_of(trial.chunks, "bm25+", delta=1)
        for query in trial.queries:
            assert np.abs(theirs.get_scores(query) - rank.get_scores(query)).max() < 1e-12
            assert np.abs(theirs.get_scores(query) - ours.scores(query)).max() < 1e-12

    def test_okapi_has_rank_bm25s_floor(self, shape):
        from rank_bm25 import BM25Okapi

        trial = TRIALS[shape]
        ours, rank = okapi(trial.chunks), BM25Okapi(trial.chunks)
        for query in trial.queries:
            assert (ours.scores(query) == rank.get_scores(query)).all()

    def test_okapi_is_robertson_where_no_word_is_in_half_of_the_chunks(self, shape):
        trial = TRIALS[shape]
        lists = invert(trial.chunks)
        rare = {word for word, number in lists.words.items() if 2 * lists.holders[number] < shape[0]}
        ours, theirs = okapi(trial.chunks), theirs_of(trial.chunks, "robertson")
        for query in trial.queries:
            some = [word for word in query if word in rare]
            assert np.abs(2.5 * theirs.get_scores(some) - ours.scores(some)).max() < 1e-12

    def test_lucene_ranks_like_ours(self, shape):
        trial = TRIALS[shape]
        ours, theirs = Bm25(trial.chunks), theirs_of(trial.chunks, "lucene")
        for query in trial.queries:
            scores = np.asarray(theirs.get_scores(query))
            assert np.abs(2.5 * scores - ours.scores(query)).max() < 1e-12
            assert ours.top(query, 10) == best(scores, 10) == Bm25s(trial.chunks).top(query, 10)

    def test_okapi_ranks_otherwise(self, shape):
        trial = TRIALS[shape]
        ours, floored = Bm25(trial.chunks), okapi(trial.chunks)
        agreeing = sum(set(ours.top(q, 3)) == set(floored.top(q, 3)) for q in trial.queries)
        assert agreeing < len(trial.queries)


@pytest.mark.parametrize("kind", [Bm25, Bm25s, okapi, plus])
class TestEdges:
    def test_no_documents(self, kind):
        assert kind([]).scores(["a"]).tolist() == []
        assert kind([]).top(["a"], 3) == []

    def test_documents_without_words(self, kind):
        assert kind([[], []]).scores(["a"]).tolist() == [0.0, 0.0]
        assert kind([[], []]).top(["a"], 3) == []

    def test_an_empty_query_and_unknown_words_find_nothing(self, kind):
        index = kind([["a", "b"], ["c"], ["d"]])
        assert index.top([], 3) == []
        assert index.top(["x", ""], 3) == []

    def test_more_asked_for_than_there_are(self, kind):
        assert set(kind([["a"], ["b"], ["a", "b"], ["c"], ["c"]]).top(["a"], 99)) >= {0, 2}

    def test_none_asked_for(self, kind):
        assert kind([["a"], ["b"], ["c"]]).top(["a"], 0) == []
        assert kind([["a"], ["b"], ["c"]]).top(["a"], -1) == []

    def test_equal_scores_come_in_the_order_of_the_documents(self, kind):
        documents = [["b"], ["a", "c"], ["d"], ["a", "c"], ["e"], ["a", "c"], ["f"], ["g"]]
        assert kind(documents).top(["a"], 2) == [1, 3]

    def test_a_word_that_is_twice_in_the_query_counts_twice(self, kind):
        index = kind([["a", "b"], ["c"], ["d"], ["e"]])
        assert index.scores(["a", "a"])[0] == pytest.approx(2 * index.scores(["a"])[0])


@pytest.mark.parametrize(("k1", "b"), [(-0.1, 0.5), (1.5, 1.1), (1.5, -0.1), (math.nan, 0.5)])
def test_parameters_out_of_range_are_refused(k1, b):
    with pytest.raises(ValueError, match="they lie in"):
        Bm25([["a"]], k1, b)


@settings(deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), max_size=30), st.integers(-1, 40))
def test_the_best_are_sorted_by_score_then_number(scores, k):
    wanted = sorted((n for n, score in enumerate(scores) if score > 0), key=lambda n: (-scores[n], n))
    assert best(np.array(scores), k) == wanted[: max(k, 0)]


@settings(deadline=None)
@given(DOCUMENTS)
def test_inverted_lists_hold_every_word_of_every_document(documents):
    lists = invert(documents)
    assert list(lists.words) == list(dict.fromkeys(word for document in documents for word in document))
    for word, number in lists.words.items():
        entries = slice(lists.starts[number], lists.starts[number + 1])
        counted = dict(zip(lists.documents[entries].tolist(), lists.counts[entries].tolist(), strict=True))
        assert list(counted) == sorted(counted)
        assert counted == {n: d.count(word) for n, d in enumerate(documents) if word in d}
    assert lists.lengths.tolist() == [len(document) for document in documents]


SCRIPT = """
from harness.extraction.retrieval import Bm25, Bm25Retriever, expanded, okapi, plus, words
from harness.extraction.retrieval.bm25s_backend import Bm25s
from harness.extraction.retrieval.trials import zipf_trial

trial = zipf_trial(40, 50, vocabulary=300, seed=4)
for kind in (Bm25, Bm25s, okapi, plus):
    index = kind(trial.chunks)
    print([(index.top(query, 5), index.scores(query).tobytes().hex()) for query in trial.queries])
query = words("margin and hedging of the term loan, final repayment date, interest cover ratio")
print(expanded(query))
print(Bm25Retriever([" ".join(chunk) for chunk in trial.chunks], expand=expanded).scored("w00001 w00200", 9))
"""


def test_nothing_depends_on_the_hash_seed():
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2", "12345")
    }
    assert len(printed) == 1
    assert "maturity" in printed.pop()
