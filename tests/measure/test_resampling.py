"""Bootstrap samples and BCa intervals against scipy, closed forms and exact binomial limits."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.resampling import bca_interval, resampled_totals

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40), seeds)
def test_totals_depend_on_the_rows_and_the_seed_and_not_on_the_order(rows, seed):
    totals = resampled_totals(rows, seed=seed, resamples=20)
    again = resampled_totals(sorted(rows, reverse=True), seed=seed, resamples=20)
    assert totals.shape == (20, 2)
    assert (totals == again).all()


def test_samples_are_whole_rows_as_many_as_there_are():
    rows = np.column_stack([np.ones(50), np.arange(50), -np.arange(50)])
    totals = resampled_totals(rows, seed=1, resamples=500)
    assert (totals[:, 0] == 50).all()
    assert (totals[:, 1] == -totals[:, 2]).all()
    assert len(np.unique(totals[:, 1])) > 200


def test_totals_spread_as_theory_says():
    values = np.random.default_rng(2).random((200, 1))
    totals = resampled_totals(values, seed=3, resamples=20_000)[:, 0]
    assert totals.mean() == pytest.approx(values.sum(), rel=0.002)
    assert totals.std() == pytest.approx(values.std() * math.sqrt(200), rel=0.02)


def test_one_table_gives_the_same_samples_however_many_are_drawn_at_a_time(monkeypatch):
    rows = np.random.default_rng(4).random((30, 2))
    whole = resampled_totals(rows, seed=5, resamples=101)
    monkeypatch.setattr("harness.measure.resampling._CHUNK", 70)
    np.testing.assert_allclose(resampled_totals(rows, seed=5, resamples=101), whole)


@pytest.mark.parametrize("n", [12, 60])
def test_interval_of_a_skewed_mean_agrees_with_scipy(n):
    values = np.random.default_rng(n).exponential(size=n)
    means = resampled_totals(values[:, None], seed=6, resamples=40_000)[:, 0] / n
    low, high = bca_interval(values.mean(), means, values - values.mean(), 0.95)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert low == pytest.approx(theirs.low, abs=0.03 * width)
    assert high == pytest.approx(theirs.high, abs=0.03 * width)


@pytest.mark.parametrize("errors", [1, 2, 5])
def test_few_errors_are_bounded_nearly_as_exactly_as_the_binomial_does(errors):
    """Where the percentile interval is much too short: for one error it ends at 3."""
    n = 500
    values = np.repeat([1.0, 0.0], [errors, n - errors])
    means = resampled_totals(values[:, None], seed=8, resamples=20_000)[:, 0] / n
    _, high = bca_interval(errors / n, means, values - errors / n, 0.95)
    exact = scipy.stats.beta.ppf(0.975, errors + 1, n - errors)
    assert high == pytest.approx(exact, rel=0.12)


@settings(max_examples=50)
@given(seeds, st.sampled_from([0.5, 0.9, 0.95]))
def test_interval_mirrors_and_holds_the_estimate(seed, confidence):
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=15)
    means = rng.choice(values, size=(301, 15)).mean(axis=1)
    low, high = bca_interval(values.mean(), means, values - values.mean(), confidence)
    mirrored = bca_interval(-values.mean(), -means, values.mean() - values, confidence)
    assert low <= values.mean() <= high
    assert mirrored == (-high, -low)


def test_undefined_replicates_open_both_ends():
    replicates = np.concatenate([np.linspace(0.0, 1.0, 90), np.full(10, math.nan)])
    assert bca_interval(0.5, replicates, [-1.0, 1.0], 0.9) == (-math.inf, math.inf)
    few = np.concatenate([np.linspace(0.0, 1.0, 999), [math.nan]])
    low, high = bca_interval(0.5, few, [-1.0, 1.0], 0.9)
    assert 0.0 < low < 0.1
    assert 0.9 < high < 1.0


def test_what_never_varies_has_an_interval_without_width():
    assert bca_interval(0.25, np.full(100, 0.25), np.zeros(8), 0.95) == (0.25, 0.25)


def test_replicates_all_on_one_side_give_a_finite_interval_that_holds_the_estimate():
    low, high = bca_interval(2.0, np.linspace(0.0, 1.0, 100), [5.0, -1.0, -4.0], 0.95)
    assert 0.0 <= low <= 1.0
    assert high == 2.0
