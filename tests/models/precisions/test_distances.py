"""Token distances against scipy, and what must hold for any logits."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.models.precisions import distances
from harness.models.precisions.distances import TokenDistances, log_softmax, summarise, token_distances

logits = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(2, 9)),
    elements=st.floats(-60, 60, width=32),
)


@st.composite
def logit_pairs(draw):
    one = draw(logits)
    other = arrays.arrays(np.float32, one.shape, elements=st.floats(-60, 60, width=32))
    return one, draw(other)


def drawn(seed, tokens=40, vocabulary=50):
    return np.random.default_rng(seed).normal(0, 4, (tokens, vocabulary)).astype(np.float32)


@given(logits)
def test_log_probabilities_are_scipys(rows):
    np.testing.assert_allclose(
        log_softmax(rows), scipy.special.log_softmax(rows.astype(float), axis=1), rtol=1e-12, atol=1e-12
    )


def test_huge_logits_do_not_overflow():
    found = log_softmax(np.array([[1e30, 0.0], [-1e30, 1e30]], np.float32))
    assert found[0, 0] == 0.0
    assert found[1, 1] == 0.0
    assert np.isfinite(found).all()


@given(logit_pairs())
def test_divergence_is_scipys_and_never_negative(pair):
    reference, quantized = pair
    found = token_distances(reference, quantized)
    p, q = (scipy.special.softmax(rows.astype(float), axis=1) for rows in pair)
    np.testing.assert_allclose(found.kl, scipy.stats.entropy(p, q, axis=1), rtol=1e-9, atol=1e-12)
    assert (found.kl >= 0).all()


@given(logit_pairs())
def test_flips_are_where_the_likeliest_token_is_another(pair):
    reference, quantized = pair
    found = token_distances(reference, quantized)
    for row, flipped in enumerate(found.flips):
        best, other = list(reference[row]), list(quantized[row])
        assert flipped == (best.index(max(best)) != other.index(max(other)))


@given(logits)
def test_identical_logits_are_at_distance_zero(rows):
    found = token_distances(rows, rows.copy())
    assert (found.kl == 0).all()
    assert not found.flips.any()


def test_a_constant_added_to_a_row_changes_nothing():
    reference, quantized = drawn(1), drawn(2)
    shift = np.linspace(-100, 100, len(reference))[:, None]
    found = token_distances(reference, quantized)
    shifted = token_distances(reference.astype(float) + shift, quantized.astype(float) - shift)
    np.testing.assert_allclose(shifted.kl, found.kl, rtol=1e-9)
    assert (shifted.flips == found.flips).all()


def test_direction_is_reference_first():
    certain, undecided = np.array([[9.0, 0.0]], np.float32), np.array([[0.0, 0.0]], np.float32)
    there, back = token_distances(certain, undecided).kl[0], token_distances(undecided, certain).kl[0]
    assert there == pytest.approx(math.log(2), abs=2e-3)
    assert back == pytest.approx(0.5 * (math.log(0.5) * 2 + 9.0), abs=2e-3)


def test_long_inputs_go_block_by_block(monkeypatch):
    reference, quantized = drawn(3), drawn(4)
    whole = token_distances(reference, quantized)
    monkeypatch.setattr(distances, "_BLOCK", 3 * reference.shape[1])
    parts = token_distances(reference, quantized)
    assert (parts.kl == whole.kl).all()
    assert (parts.flips == whole.flips).all()


@pytest.mark.parametrize(
    ("reference", "quantized", "said"),
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), "one shape"),
        (np.zeros((2, 3)), np.zeros((2, 4)), "one shape"),
        (np.zeros(3), np.zeros(3), "one shape"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "one shape"),
        (np.array([[0.0, math.nan]]), np.zeros((1, 2)), "the reference model's logits"),
        (np.zeros((1, 2)), np.array([[0.0, -math.inf]]), "the quantized model's logits"),
    ],
)
def test_what_is_no_pair_of_logits_is_refused(reference, quantized, said):
    with pytest.raises(ValueError, match=said):
        token_distances(reference, quantized)


def of_lengths(lengths, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [TokenDistances(rng.exponential(scale, n), rng.random(n) < 0.1) for n in lengths]


def test_summary_is_over_all_tokens():
    prompts = of_lengths([3, 50, 7, 11], 5)
    found = summarise(prompts)
    kl = np.concatenate([prompt.kl for prompt in prompts])
    assert (found.prompts, found.tokens) == (4, 71)
    assert found.kl_mean == pytest.approx(kl.mean())
    assert found.kl_p99 == np.quantile(kl, 0.99)
    assert found.kl_max == kl.max()
    assert found.flips == pytest.approx(sum(prompt.flips.sum() for prompt in prompts) / 71)
    assert found.kl_low <= found.kl_mean <= found.kl_high
    assert found.flips_low <= found.flips <= found.flips_high


def test_interval_is_as_wide_as_the_prompts_differ_and_not_as_the_tokens_do():
    """Ten tokens that repeat their prompt's value say no more than one."""
    values = np.random.default_rng(6).exponential(size=80)
    alike = [TokenDistances(np.full(10, value), np.full(10, value > 1)) for value in values]
    single = [TokenDistances(np.array([value]), np.array([value > 1])) for value in values]
    many, one = summarise(alike), summarise(single)
    assert (many.kl_low, many.kl_high) == (pytest.approx(one.kl_low), pytest.approx(one.kl_high))
    half = 1.96 * values.std() / math.sqrt(80)
    assert many.kl_high - many.kl_low == pytest.approx(2 * half, rel=0.15)


def test_interval_covers_the_mean():
    covered = [
        (found := summarise(of_lengths([20] * 60, seed))).kl_low <= 1.0 <= found.kl_high for seed in range(60)
    ]
    assert 0.89 <= np.mean(covered) <= 1.0


@settings(max_examples=30)
@given(st.permutations(range(8)))
def test_order_of_the_prompts_does_not_matter(order):
    prompts = of_lengths(range(1, 9), 7)
    one, other = summarise(prompts), summarise([prompts[i] for i in order])
    assert other.kl_low == pytest.approx(one.kl_low)
    assert other.kl_high == pytest.approx(one.kl_high)
    assert other.kl_p99 == one.kl_p99


def test_one_prompt_has_no_interval_and_none_is_refused():
    found = summarise(of_lengths([5], 8))
    assert found.kl_mean > 0
    assert all(math.isnan(x) for x in (found.kl_low, found.kl_high, found.flips_low, found.flips_high))
    with pytest.raises(ValueError, match="no tokens"):
        summarise([])
