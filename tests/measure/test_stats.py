"""Statistics against scipy, against closed forms, and against simulated truth."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure import stats

seeds = st.integers(0, 2**32 - 1)
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.9925, 0.9975, 0.999])
positives = st.floats(1e-6, 1e6)


@given(st.lists(st.tuples(positives, positives), min_size=1, max_size=30))
def test_log_ratios_are_the_logarithms_of_the_ratios_and_mirror(pairs):
    before, after = zip(*pairs, strict=True)
    d = stats.log_ratios(before, after)
    np.testing.assert_allclose(np.exp(d), np.array(after) / np.array(before), rtol=1e-9)
    np.testing.assert_array_equal(d, -stats.log_ratios(after, before))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([1.0], [1.0, 2.0], "equal length"),
        ([[1.0]], [[1.0]], "equal length"),
        ([0.0], [1.0], "positive finite"),
        ([1.0], [-1.0], "positive finite"),
        ([math.nan], [1.0], "positive finite"),
        ([1.0], [math.inf], "positive finite"),
    ],
)
def test_log_ratios_refuse(before, after, said):
    with pytest.raises(ValueError, match=said):
        stats.log_ratios(before, after)


def outside(n, quantile, low_rank, high_rank):
    """Probability that the quantile lies under the low and over the high order statistic (ranks from 1)."""
    binomial = scipy.stats.binom(n, quantile)
    return binomial.cdf(low_rank - 1), binomial.sf(high_rank - 1)


@given(st.integers(1, 400), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]), confidences, seeds)
def test_order_statistics_cover_exactly_as_asked_and_no_tighter_pair_does(n, quantile, confidence, seed):
    values = list(range(1, n + 1))  # each value is its own rank
    random.Random(seed).shuffle(values)
    interval = stats.order_statistic_interval(values, quantile, confidence)
    tail = (1 - confidence) / 2 * (1 + 1e-9)
    below, above = outside(n, quantile, 1, n)
    assert (interval is None) == (below > tail or above > tail)
    if interval is not None:
        low, high = map(int, interval)
        below, above = outside(n, quantile, low, high)
        assert below <= tail
        assert above <= tail
        assert outside(n, quantile, low + 1, high)[0] > tail
        assert outside(n, quantile, low, high - 1)[1] > tail


@pytest.mark.parametrize(
    ("quantile", "confidence", "smallest"),
    [(0.99, 0.99, 528), (0.95, 0.99, 104), (0.5, 0.99, 8), (0.5, 0.95, 6), (0.5, 0.9975, 10)],
)
def test_an_interval_exists_from_the_smallest_sample_that_can_hold_it(quantile, confidence, smallest):
    assert stats.order_statistic_interval(np.arange(smallest - 1.0), quantile, confidence) is None
    assert stats.order_statistic_interval(np.arange(float(smallest)), quantile, confidence) is not None
    assert smallest == math.ceil(math.log((1 - confidence) / 2) / math.log(quantile))


def test_no_samples_give_no_order_statistics():
    assert stats.order_statistic_interval([], 0.5, 0.99) is None


@given(st.integers(1, 500), st.floats(0.01, 0.99))
def test_the_binomial_distribution_is_scipys(n, p):
    np.testing.assert_allclose(
        stats._binomial_cdf(n, p), scipy.stats.binom.cdf(np.arange(n + 1), n, p), atol=1e-10
    )


def coverage(interval, *, n, trials, draw):
    """Share of simulated samples whose interval holds the true centre 0."""
    rng = np.random.default_rng(20261121)
    intervals = [interval(draw(rng, n), trial) for trial in range(trials)]
    return sum(low <= 0.0 <= high for low, high in intervals) / trials


def test_order_statistics_cover_in_simulation():
    found = coverage(
        lambda d, _: stats.order_statistic_interval(d, 0.5, 0.95),
        n=25,
        trials=2000,
        draw=lambda rng, n: rng.standard_cauchy(n),
    )
    exact = 1 - sum(outside(25, 0.5, 8, 18))
    assert found == pytest.approx(exact, abs=0.015)


def test_the_median_bootstrap_covers_in_simulation():
    found = coverage(
        lambda d, trial: stats.median_bootstrap_interval(d, 0.95, seed=trial, resamples=500),
        n=200,
        trials=300,
        draw=lambda rng, n: rng.normal(size=n),
    )
    assert 0.90 <= found <= 0.985


def test_blocks_cover_better_than_single_values_when_neighbours_resemble_each_other():
    def correlated(rng, n):
        noise = rng.normal(size=n + 20)
        return np.convolve(noise, 0.7 ** np.arange(20))[20 : n + 20]

    def single(d, trial):
        rng = np.random.default_rng(trial)
        return np.quantile(np.median(rng.choice(d, (500, d.size)), axis=1), [0.025, 0.975])

    def blocks(d, trial):
        return stats.median_bootstrap_interval(d, 0.95, seed=trial, resamples=500)

    held = [coverage(interval, n=216, trials=150, draw=correlated) for interval in (single, blocks)]
    assert held[1] > held[0] + 0.05


def test_the_mean_bootstrap_covers_in_simulation_and_agrees_with_scipy():
    def interval(d, trial):
        return stats.mean_bootstrap_interval(d, 0.95, seed=trial, resamples=500)

    assert 0.91 <= coverage(interval, n=80, trials=400, draw=lambda rng, n: rng.normal(size=n)) <= 0.98
    data = np.random.default_rng(3).exponential(size=60)
    theirs = scipy.stats.bootstrap(
        (data,), np.mean, confidence_level=0.9, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    np.testing.assert_allclose(
        stats.mean_bootstrap_interval(data, 0.9, seed=7, resamples=20_000), theirs, rtol=0.02
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), seeds, st.floats(-50, 50))
def test_bootstrap_intervals_repeat_stay_within_the_data_and_move_with_it(values, seed, shift):
    data = np.array(values)
    for interval in (stats.median_bootstrap_interval, stats.mean_bootstrap_interval):
        low, high = interval(data, 0.99, seed=seed, resamples=200)
        assert (low, high) == interval(data, 0.99, seed=seed, resamples=200)
        assert data.min() - 1e-9 <= low <= high <= data.max() + 1e-9
        moved = interval(data + shift, 0.99, seed=seed, resamples=200)
        np.testing.assert_allclose(moved, (low + shift, high + shift), atol=1e-9)


def test_large_samples_are_resampled_in_chunks_with_the_same_quality(monkeypatch):
    data = np.random.default_rng(2).normal(size=400)
    whole = (
        stats.median_bootstrap_interval(data, 0.99, seed=1),
        stats.mean_bootstrap_interval(data, 0.99, seed=1),
    )
    monkeypatch.setattr(stats, "_BOOTSTRAP_CHUNK", 4_000)
    parts = (
        stats.median_bootstrap_interval(data, 0.99, seed=1),
        stats.mean_bootstrap_interval(data, 0.99, seed=1),
    )
    np.testing.assert_allclose(parts, whole, atol=0.05)


def test_a_single_loss_is_exact():
    assert stats.mean_bootstrap_interval([0.25], 0.99, seed=0) == (0.25, 0.25)
    assert stats.mean_bootstrap_interval([0.5] * 9, 0.99, seed=0) == (0.5, 0.5)


differences = st.integers(-40, 40).map(lambda k: k / 8)  # sums of eighths are exact, ties are real


@settings(deadline=None, max_examples=40)
@given(st.lists(differences, min_size=2, max_size=11))
def test_sign_flips_give_scipys_permutation_p(values):
    if any(values):
        theirs = scipy.stats.permutation_test(
            (np.array(values),), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False
        ).pvalue
        assert stats.randomisation_p(values) == pytest.approx(theirs)
    else:
        assert stats.randomisation_p(values) == 1.0


@given(
    st.lists(st.floats(-3, 3).filter(lambda x: x == 0 or abs(x) > 1e-3), max_size=40), st.floats(0.01, 100)
)
def test_p_ignores_sign_scale_and_equal_rounds(values, scale):
    p = stats.randomisation_p(values)
    assert 0 < p <= 1
    assert stats.randomisation_p([-v for v in values]) == pytest.approx(p)
    assert stats.randomisation_p([v * scale for v in values]) == pytest.approx(p)
    assert stats.randomisation_p([*values, 0.0]) == pytest.approx(p)


@pytest.mark.parametrize("rounds", [8, 16, 17, 60])
def test_p_under_no_effect_is_no_smaller_than_it_says(rounds):
    rng = np.random.default_rng(11)
    found = np.array([stats.randomisation_p(rng.standard_t(2, size=rounds)) for _ in range(300)])
    for level in (0.01, 0.05, 0.2):
        assert (found <= level).mean() <= level + 3 * math.sqrt(level / 300)
    assert stats.randomisation_p(rng.normal(1.5, size=rounds)) < 0.05


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_sign_test_is_scipys_binomial_test(positives, negatives):
    n = positives + negatives
    expected = scipy.stats.binomtest(positives, n).pvalue if n else 1.0
    assert stats.sign_test_p(positives, n) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_adjusted_values_are_scipys_in_the_order_given(p_values):
    expected = scipy.stats.false_discovery_control(p_values) if p_values else []
    np.testing.assert_allclose(stats.benjamini_hochberg(p_values), expected, rtol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusting_keeps_the_order_and_never_lowers(p_values):
    q_values = stats.benjamini_hochberg(p_values)
    assert all(p <= q * (1 + 1e-12) for p, q in zip(p_values, q_values, strict=True))
    assert all(a[1] <= b[1] for a, b in pairwise(sorted(zip(p_values, q_values, strict=True))))


@given(st.floats(0.001, 0.999).filter(lambda p: abs(p - 0.5) > 1e-3), st.integers(1, 120))
def test_students_quantile_is_scipys(probability, degrees):
    assert stats.t_quantile(probability, degrees) == pytest.approx(
        scipy.stats.t.ppf(probability, degrees), rel=1e-8
    )


def test_students_median_is_zero():
    assert stats.t_quantile(0.5, 5) == pytest.approx(0.0, abs=1e-12)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(lambda v: np.std(v) > 1e-6), confidences
)
def test_the_t_interval_is_scipys(values, confidence):
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(confidence)
    np.testing.assert_allclose(stats.mean_t_interval(values, confidence), theirs, rtol=1e-6, atol=1e-8)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(lambda v: np.std(v) > 1e-6))
def test_the_t_test_is_scipys_and_agrees_with_its_interval(values):
    p = stats.mean_t_p(values)
    assert p == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, rel=1e-6, abs=1e-12)
    if abs(p - 0.01) > 1e-6:
        low, high = stats.mean_t_interval(values, 0.99)
        assert (p < 0.01) == (low > 0 or high < 0)


def test_values_without_spread_are_certain():
    assert stats.mean_t_p([0.0, 0.0]) == 1.0
    assert stats.mean_t_p([0.5, 0.5, 0.5]) == 0.0


@pytest.mark.parametrize("values", [[], [1.0]])
def test_students_statistics_need_two_values(values):
    with pytest.raises(ValueError, match="two values"):
        stats.mean_t_interval(values, 0.99)
    with pytest.raises(ValueError, match="two values"):
        stats.mean_t_p(values)


def test_the_minimal_detectable_effect_is_detected_four_times_in_five():
    spread = 0.01
    half = scipy.stats.norm.ppf(0.995) * spread
    detectable = stats.minimal_detectable_effect(-half, half, 0.99)
    assert detectable == pytest.approx(math.expm1(3.4175 * spread), rel=1e-3)
    estimates = np.random.default_rng(4).normal(math.log1p(detectable), spread, size=20_000)
    assert (estimates - half > 0).mean() == pytest.approx(0.8, abs=0.01)


@given(st.floats(1e-4, 1.0), confidences)
def test_a_wider_interval_detects_only_larger_effects(half, confidence):
    narrow = stats.minimal_detectable_effect(-half, half, confidence)
    assert 0 < narrow < stats.minimal_detectable_effect(-2 * half, 2 * half, confidence)


@given(st.integers(1, 200), st.data(), st.sampled_from([0.9, 0.99]))
def test_proportion_interval_is_clopper_pearson(n, data, confidence):
    successes = data.draw(st.integers(0, n))
    expected = scipy.stats.binomtest(successes, n).proportion_ci(confidence, method="exact")
    found = stats.proportion_interval(successes, n, confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)
