"""Retrieval backends on texts with a Zipf vocabulary: time of twelve queries, and whether they find the same.

rank-bm25's Okapi gives words of more than half of the chunks a weight of their own, so it is no reference for
the Lucene form; `other_chunks` is the share of the top three that differ. Goal of our own: no slower than the
fast library where indexing counts.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.extraction.retrieval import trials
from harness.extraction.trials.backends import OURS, RANK, index_bm25s, other_chunks, top_chunks

OPTIMIZATION = Optimization(
    name="retriever_backends",
    title="Our BM25 instead of a library's",
    metrics=(
        Metric("query_time", "s", gate="paired", floor=0.2),
        Metric("other_chunks", "share", compare=other_chunks),
    ),
    requires=Requires(kind="host", extras=("extraction",)),
    role="shipped",
)
BACKENDS = {"rank-bm25": RANK, "bm25s": index_bm25s}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("chunks", [60, 1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_retriever_backends(ab, chunks, backend):
    trial = trials.zipf_trial(chunks, 300, seed=1)

    def arm(index):
        return Arm(lambda it: top_chunks(it, trial.queries), prepare=partial(index, trial.chunks))

    ab.arms(baseline=arm(BACKENDS[backend]), optimized=arm(OURS))
    ab.run()
