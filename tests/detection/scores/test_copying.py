"""The small eigenproblem finds what the vocabulary-sized one does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.detection.scores.copying import (
    all_eigenvalues,
    copying_score,
    eigenvalues,
    positive_share,
    round_trip,
)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_small_eigenproblem_has_the_same_eigenvalues(seed):
    r = np.random.default_rng(seed)
    embedding, unembedding = r.normal(size=(2, 30, 8))
    value, output = r.normal(size=(8, 3)), r.normal(size=(3, 8))
    small = eigenvalues(value, output, round_trip(embedding, unembedding))
    whole = all_eigenvalues(embedding, value, output, unembedding)
    largest = whole[np.argsort(-np.abs(whole))]
    assert np.abs(np.sort_complex(largest[:3]) - np.sort_complex(small)).max() < 1e-7 * np.abs(small).max()
    assert np.abs(largest[3:]).max() < 1e-3 * np.abs(small).max()
    assert copying_score(small) == pytest.approx(largest[:3].real.sum() / np.abs(largest[:3]).sum())


def test_a_head_that_copies_scores_one_and_one_that_suppresses_minus_one():
    identity = np.eye(4)
    trip = round_trip(identity, identity)
    value, output = identity[:, :2], identity[:2]
    assert copying_score(eigenvalues(value, output, trip)) == pytest.approx(1.0)
    assert copying_score(eigenvalues(value, -output, trip)) == pytest.approx(-1.0)
    assert positive_share(eigenvalues(value, output, trip)) == 1.0
    assert copying_score(np.zeros(3)) == 0.0
