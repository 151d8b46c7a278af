"""The bootstrap over independent examples, and its BCa interval. Pure numpy, no files."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from harness.measure.stats import Floats, Interval

_CHUNK = 4_000_000
_NORMAL = NormalDist()


def resampled_totals(rows: ArrayLike, *, seed: int, resamples: int) -> Floats:
    """Column totals of `resamples` bootstrap samples of whole rows; [n, k] gives [resamples, k].

    Sampling n of n rows with replacement (Efron 1979) is a multinomial draw over the distinct rows. Drawing
    it so makes the result independent of the order of the rows, and quick where few are distinct.
    """
    table = np.asarray(rows, dtype=float) + 0.0  # no -0.0, which would be a row of its own
    distinct, counts = np.unique(table, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // len(distinct))
    totals = [
        rng.multinomial(len(table), counts / len(table), size=min(chunk, resamples - start)) @ distinct
        for start in range(0, resamples, chunk)
    ]
    return np.concatenate(totals)


def bca_interval(estimate: float, replicates: ArrayLike, influence: ArrayLike, confidence: float) -> Interval:
    """Bias-corrected and accelerated interval (Efron 1987; Efron & Tibshirani 1993, section 14.3).

    `replicates` are the statistic of each bootstrap sample; `influence` its empirical influence values, one
    for each example, of any common scale: the infinitesimal jackknife's acceleration (ibid., 22.6). A
    replicate that is NaN stands at the end that widens the interval, which may then be infinite.
    """
    values = np.asarray(replicates, dtype=float)
    undefined = np.isnan(values)
    ties = np.count_nonzero((values == estimate) | undefined)
    below = (np.count_nonzero(values < estimate) + ties / 2) / values.size
    edge = 0.5 / values.size
    bias = _NORMAL.inv_cdf(min(max(below, edge), 1.0 - edge))
    skew = _acceleration(np.asarray(influence, dtype=float))
    z = _NORMAL.inv_cdf(0.5 + confidence / 2.0)
    low = np.quantile(np.where(undefined, -np.inf, values), _level(bias, -z, skew), method="lower")
    high = np.quantile(np.where(undefined, np.inf, values), _level(bias, z, skew), method="higher")
    return min(float(low), estimate), max(float(high), estimate)


def _acceleration(influence: Floats) -> float:
    largest = float(np.abs(influence).max())
    if largest == 0.0:
        return 0.0
    u = influence / largest
    return float((u**3).sum() / (6.0 * (u**2).sum() ** 1.5))


def _level(bias: float, z: float, skew: float) -> float:
    shifted = bias + z
    return _NORMAL.cdf(bias + shifted / max(1.0 - skew * shifted, math.ulp(1.0)))
