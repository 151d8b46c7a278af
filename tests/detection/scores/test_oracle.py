"""The reference: its bounds, its tie rule, and cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.detection.sample import Sample
from harness.detection.scores import oracle
from harness.detection.scores.options import OFFICIAL, PAPER, Scoring, official_token_scale

SEEDS = st.integers(0, 10**6)


def test_external_by_hand():
    hidden = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [4.0, 3.0]])
    attention = [[0.1, 0.5, 0.2, 0.2, 0.0], [0.7, 0.1, 0.1, 0.0, 0.1]]
    # prefix 4: row 0 is position 3, row 1 is position 4
    assert oracle.external(attention, hidden, 4) == pytest.approx([1.0, 0.8])
    assert oracle.external(attention, hidden, 4, 0.5) == pytest.approx(
        [1.0, oracle.cosine(np.array([0.5, 0.5]), hidden[4])]
    )
    assert oracle.external(attention, hidden, 4, positions=(1, 4)) == pytest.approx([1.0, 0.6])


def test_parametric_by_hand():
    gain, unembedding = [1.0, 1.0], [[100.0, 0.0], [0.0, 100.0]]
    far = oracle.parametric([[1.0, 0.0]], [[0.0, 1.0]], gain, unembedding)
    assert far == pytest.approx([math.log(2)])
    near = oracle.parametric([[3.0, 1.0]], [[6.0, 2.0]], gain, unembedding, epsilon=0.0)
    assert near == pytest.approx([0.0], abs=1e-12)


@given(seed=SEEDS, spread=st.sampled_from([0.1, 3.0, 50.0]))
def test_the_true_divergence_is_bounded_and_symmetric_and_the_reversed_one_is_larger_when_peaked(
    seed, spread
):
    r = np.random.default_rng(seed)
    mid, after = r.normal(size=(2, 6, 8))
    gain, unembedding = r.normal(size=8), spread * r.normal(size=(20, 8))
    true = oracle.parametric(mid, after, gain, unembedding)
    assert ((true >= -1e-12) & (true <= math.log(2) + 1e-12)).all()
    assert true == pytest.approx(oracle.parametric(after, mid, gain, unembedding))
    reversed_kl = oracle.parametric(mid, after, gain, unembedding, divergence="reversed_kl")
    assert (reversed_kl >= -1e-12).all()
    if spread == 50.0:
        assert reversed_kl.max() > math.log(2)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(1, 20))
def test_of_equal_weights_the_lower_index_wins(weights, k):
    chosen = oracle.top(weights, k)
    rest = [n for n in range(len(weights)) if n not in chosen]
    assert all(weights[a] > weights[b] or (weights[a] == weights[b] and a < b) for a in chosen for b in rest)


@given(seed=SEEDS)
def test_a_wide_gap_makes_the_choice_safe(seed):
    r = np.random.default_rng(seed)
    rows, hidden = r.random((4, 30)), r.normal(size=(34, 5))
    gaps = oracle.boundary_gaps(rows, 30)
    noise = r.uniform(-1, 1, rows.shape) * gaps[:, None] * 0.49
    found = oracle.external(rows + noise, hidden, 30)
    assert found == pytest.approx(oracle.external(rows, hidden, 30), abs=1e-12)


def test_how_many_are_taken():
    assert [PAPER.taken(n) for n in (1, 9, 10, 19, 20, 300)] == [1, 1, 1, 1, 2, 30]
    assert [OFFICIAL.taken(n) for n in (9, 10)] == [0, 1]
    assert np.isnan(oracle.external([[0.5, 0.5]], np.eye(2), 2, at_least=0)).all()
    assert oracle.boundary_gaps([[0.5, 0.5]], 2, at_least=0) == [math.inf]
    with pytest.raises(ValueError, match="a share"):
        Scoring(k_share=0.0)


def test_the_paper_looks_at_the_context_and_its_code_at_the_whole_prompt():
    sample = Sample("a", "g", "QA", (1, 2, 3, 4, 5), 4, (1, 3), (True,))
    assert (PAPER.positions(sample), OFFICIAL.positions(sample)) == ((1, 3), (0, 4))
    assert official_token_scale(1000) == 1000.0
