"""Statistics of paired rounds: pure numpy, no files, no printing. Each function names its source.

An effect is handled as d_i = log(optimized_i / baseline_i), one value per round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

EXACT_FLIPS_UP_TO = 16
_BOOTSTRAP_CHUNK = 4_000_000


def log_ratios(baseline: ArrayLike, optimized: ArrayLike) -> Floats:
    """Paired log-ratios log(optimized / baseline), shape (rounds,).

    Raises ValueError when shapes differ or a value is not positive and finite.
    """
    before, after = np.asarray(baseline, dtype=float), np.asarray(optimized, dtype=float)
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"paired samples need equal length, got {before.shape} and {after.shape}")
    both = np.concatenate([before, after])
    if not (np.isfinite(both).all() and (both > 0).all()):
        raise ValueError("log-ratios need positive finite samples")
    return np.asarray(np.log(after) - np.log(before), dtype=float)


def order_statistic_interval(samples: ArrayLike, quantile: float, confidence: float) -> Interval | None:
    """Distribution-free interval of a quantile from two order statistics, or None if n is too small.

    Exact binomial coverage (David & Nagaraja, Order Statistics, 3rd ed., section 7.1): the ranks
    are the tightest with at most (1 - confidence) / 2 of probability outside on either side.
    """
    ordered = np.sort(np.asarray(samples, dtype=float))
    tail = (1.0 - confidence) / 2.0
    cumulative = _binomial_cdf(ordered.size, quantile)
    # P(X_(r) > q) = P(B <= r - 1); P(X_(s) < q) = P(B >= s) = 1 - P(B <= s - 1)
    low_ranks = [r for r in range(1, ordered.size + 1) if cumulative[r - 1] <= tail]
    high_ranks = [s for s in range(1, ordered.size + 1) if 1.0 - cumulative[s - 1] <= tail]
    if not low_ranks or not high_ranks:
        return None
    return float(ordered[low_ranks[-1] - 1]), float(ordered[high_ranks[0] - 1])


def _binomial_cdf(n: int, p: float) -> Floats:
    """P(B <= k) for k = 0..n, B ~ Binomial(n, p), by log-gamma."""
    k = np.arange(n + 1)
    log_factorial = np.array([math.lgamma(i + 1) for i in range(n + 1)])
    log_choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    mass = np.exp(log_choose + k * math.log(p) + (n - k) * math.log1p(-p))
    return np.asarray(np.minimum(np.cumsum(mass), 1.0), dtype=float)


def median_bootstrap_interval(
    samples: ArrayLike, confidence: float, *, seed: int, resamples: int = 2000
) -> Interval:
    """Percentile interval of the median by the moving-block bootstrap (Kuensch 1989), block n^(1/3).

    Blocks keep the short-range correlation between neighbouring rounds (frequency, cache).
    """
    data = np.asarray(samples, dtype=float)
    block = max(1, round(data.size ** (1 / 3)))
    blocks = math.ceil(data.size / block)
    rng = np.random.default_rng(seed)
    offsets = np.arange(block)
    chunk = max(1, _BOOTSTRAP_CHUNK // (blocks * block))
    medians: list[Floats] = []
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        starts = rng.integers(0, data.size - block + 1, size=(size, blocks))
        index = (starts[:, :, None] + offsets).reshape(size, -1)[:, : data.size]
        medians.append(np.median(data[index], axis=1))
    return _percentiles(np.concatenate(medians), confidence)


def mean_bootstrap_interval(
    samples: ArrayLike, confidence: float, *, seed: int, resamples: int = 5000
) -> Interval:
    """Percentile bootstrap interval of the mean over examples (Efron 1979); a single value is exact."""
    data = np.asarray(samples, dtype=float)
    if data.size == 1 or np.all(data == data[0]):
        return float(data[0]), float(data[0])
    rng = np.random.default_rng(seed)
    chunk = max(1, _BOOTSTRAP_CHUNK // data.size)
    means = [
        data[rng.integers(0, data.size, size=(min(chunk, resamples - start), data.size))].mean(axis=1)
        for start in range(0, resamples, chunk)
    ]
    return _percentiles(np.concatenate(means), confidence)


def _percentiles(values: Floats, confidence: float) -> Interval:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def randomisation_p(differences: ArrayLike) -> float:
    """Two-sided p-value of "the arms are exchangeable within each round".

    The order inside a round was randomised, so flipping signs is exact by design (Fisher 1935).
    Up to 16 rounds all sign flips of the sum are enumerated; beyond that the statistic is the
    number of positive signs, whose flips have a closed form (sign test, Dixon & Mood 1946).
    """
    d = np.asarray(differences, dtype=float)
    d = d[d != 0.0]
    if d.size == 0:
        return 1.0
    return _flip_sums_p(d) if d.size <= EXACT_FLIPS_UP_TO else sign_test_p(int((d > 0).sum()), d.size)


def _flip_sums_p(d: Floats) -> float:
    bits = (np.arange(2**d.size)[:, None] >> np.arange(d.size)) & 1
    sums = np.abs((1 - 2 * bits) @ d)
    return float(np.mean(sums >= np.abs(d.sum()) * (1.0 - 1e-12)))


def sign_test_p(positives: int, n: int) -> float:
    """Two-sided exact sign test (Dixon & Mood 1946): `positives` of `n` non-zero differences."""
    extreme = min(positives, n - positives)
    tail = sum(math.comb(n, k) for k in range(extreme + 1))
    return float(min(1.0, 2 * tail / 2**n))


def proportion_interval(successes: int, n: int, confidence: float) -> Interval:
    """Exact interval of a proportion (Clopper & Pearson 1934), by bisection on the binomial CDF."""
    tail = (1.0 - confidence) / 2.0

    def crossing(k: int, target: float) -> float:
        # P(B <= k) falls from 1 to 0 as p grows
        low, high = 0.0, 1.0
        for _ in range(60):
            p = (low + high) / 2.0
            low, high = (p, high) if _binomial_cdf(n, p)[k] > target else (low, p)
        return (low + high) / 2.0

    lower = 0.0 if successes == 0 else crossing(successes - 1, 1.0 - tail)
    upper = 1.0 if successes == n else crossing(successes, tail)
    return lower, upper


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """False-discovery-rate adjusted q-values (Benjamini & Hochberg 1995), in the order given."""
    p = np.asarray(p_values, dtype=float)
    if p.size == 0:
        return []
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in q]


def minimal_detectable_effect(low: float, high: float, confidence: float, power: float = 0.8) -> float:
    """Relative effect found with probability `power`, from an interval on the log scale (Bloom 1995)."""
    normal = NormalDist()
    z = normal.inv_cdf(0.5 + confidence / 2.0)
    standard_error = (high - low) / 2.0 / z
    return math.expm1((z + normal.inv_cdf(power)) * standard_error)


def mean_t_interval(samples: ArrayLike, confidence: float) -> Interval:
    """Student's t interval of the mean (Student 1908); needs at least two values."""
    data = np.asarray(samples, dtype=float)
    if data.size < 2:
        raise ValueError("a t interval needs at least two values")
    half = t_quantile(0.5 + confidence / 2.0, data.size - 1) * float(data.std(ddof=1)) / math.sqrt(data.size)
    return float(data.mean()) - half, float(data.mean()) + half


def mean_t_p(samples: ArrayLike) -> float:
    """Two-sided p-value of "the mean is zero" (Student 1908); needs at least two values."""
    data = np.asarray(samples, dtype=float)
    if data.size < 2:
        raise ValueError("a t test needs at least two values")
    mean, error = abs(float(data.mean())), float(data.std(ddof=1)) / math.sqrt(data.size)
    if error == 0.0:
        return 0.0 if mean > 0.0 else 1.0
    return max(0.0, 2.0 * (1.0 - _t_cdf(mean / error, data.size - 1)))


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t for integer degrees of freedom, by bisection on the closed-form CDF."""
    low, high = 0.0, 1e8
    if probability < 0.5:
        return -t_quantile(1.0 - probability, degrees)
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2.0


def _t_cdf(t: float, degrees: int) -> float:
    """P(T <= t), t >= 0: Abramowitz & Stegun, 26.7.3 (odd) and 26.7.4 (even degrees)."""
    theta = math.atan(t / math.sqrt(degrees))
    cos2 = math.cos(theta) ** 2
    term, total = 1.0, 1.0
    first = 1 if degrees % 2 == 0 else 2
    for k in range(first, degrees - 1, 2):
        term *= cos2 * k / (k + 1)
        total += term
    if degrees % 2 == 0:
        inside = math.sin(theta) * total
    else:
        inside = 2 / math.pi * (theta + (math.sin(theta) * math.cos(theta) * total if degrees > 1 else 0.0))
    return 0.5 + inside / 2.0
