"""The winner's bias on simulated candidates that are equally good in truth, and on ones that are not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.report.winners_bias import explain_bias, winners_bias

TRUTH, SD = 0.667, 0.2


def equal_candidates(r, candidates, examples):
    return TRUTH + SD * r.standard_normal((candidates, examples))


def simulated(candidates, examples, runs=120):
    """Means over runs of the real bias, the estimate and `if_equal`, and how often the interval holds."""
    r = np.random.default_rng(examples)
    tables = [equal_candidates(r, candidates, examples) for _ in range(runs)]
    found = [winners_bias(table, resamples=200, seed=i) for i, table in enumerate(tables)]
    real = [each.reported - TRUTH for each in found]
    held = np.mean([each.low <= bias <= each.high for each, bias in zip(found, real, strict=True)])
    return np.mean(real), np.mean([each.bias for each in found]), np.mean([e.if_equal for e in found]), held


@pytest.mark.parametrize(
    ("candidates", "examples", "expected"),
    [(5, 3, 0.13), (5, 10, 0.07), (5, 30, 0.04), (10, 3, 0.17), (10, 10, 0.10), (10, 30, 0.06)],
)
def test_the_estimate_is_the_bias_that_equal_candidates_have(candidates, examples, expected):
    real, estimate, if_equal, held = simulated(candidates, examples)
    assert real == pytest.approx(expected, abs=0.02)
    assert estimate == pytest.approx(real, abs=0.02)
    assert if_equal == pytest.approx(real, abs=0.02)
    assert held >= 0.9


def test_one_example_tells_only_what_equal_candidates_would_have():
    """Its only example is in every sample. The study's +.22 for five candidates is seen by `if_equal`."""
    r = np.random.default_rng(0)
    found = [winners_bias(equal_candidates(r, 5, 1)) for _ in range(300)]
    assert all(math.isnan(each.bias) for each in found)
    assert np.mean([each.if_equal for each in found]) == pytest.approx(0.22, abs=0.03)
    assert "too few examples to tell" in explain_bias(found[0])


def test_a_clear_winner_has_next_to_no_bias():
    r = np.random.default_rng(1)
    table = np.clip(0.5 + 0.05 * r.standard_normal((5, 40)), 0, 1)
    table[2] += 0.4
    found = winners_bias(table, resamples=500)
    assert found.bias == pytest.approx(0.0, abs=0.005)
    assert found.if_equal > 0.3


def test_one_candidate_was_not_picked():
    found = winners_bias([[0.5, 1.0, 0.75]])
    assert (found.bias, found.low, found.high, found.corrected) == (0.0, 0.0, 0.0, 0.75)
    assert "nothing was picked" in explain_bias(found)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.integers(2, 12), st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_plays_no_part(candidates, examples, seed, r):
    table = np.random.default_rng(seed).integers(0, 5, (candidates, examples)) / 4
    order = list(range(candidates))
    r.shuffle(order)
    one, other = (winners_bias(each, resamples=50, seed=seed) for each in (table, table[order]))
    assert one.bias == pytest.approx(other.bias, nan_ok=True)
    assert one.reported == other.reported
    if not math.isnan(one.bias):
        assert one.low <= one.bias <= one.high
        assert one.corrected == pytest.approx(one.reported - one.bias)


def test_equal_scores_have_no_bias():
    found = winners_bias(np.full((4, 6), 0.5))
    assert (found.bias, found.low, found.high, found.if_equal) == (0.0, 0.0, 0.0, 0.0)
    assert "winner's bias +0.000" in explain_bias(found)


@pytest.mark.parametrize("table", [[], [1.0, 2.0], [[math.nan]], np.ones((0, 3)), np.ones((2, 0))])
def test_scores_that_are_no_table_are_refused(table):
    with pytest.raises(ValueError, match="finite table"):
        winners_bias(table)
