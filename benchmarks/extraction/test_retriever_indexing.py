"""Indexing and the twelve queries of one company together: what a run pays, since it asks each index once."""

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.retrieval import trials
from harness.extraction.trials.backends import OURS, RANK, other_chunks, top_chunks

OPTIMIZATION = Optimization(
    name="retriever_indexing",
    title="Our BM25 instead of rank-bm25, indexing included",
    metrics=(
        Metric("company_time", "s", gate="paired", floor=0.2),
        Metric("other_chunks", "share", compare=other_chunks),
    ),
    requires=Requires(kind="host", extras=("extraction",)),
    role="shipped",
)


@pytest.mark.parametrize("chunks", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_retriever_indexing(ab, chunks):
    trial = trials.zipf_trial(chunks, 300, seed=1)
    ab.arms(
        baseline=lambda: top_chunks(RANK(trial.chunks), trial.queries),
        optimized=lambda: top_chunks(OURS(trial.chunks), trial.queries),
    )
    ab.run()
