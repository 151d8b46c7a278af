"""How well scores tell positives from negatives, with intervals. Pure.

Area under the ROC curve, with the variance of DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44: 837-845,
by the ranks of Sun & Xu (2014), IEEE Signal Processing Letters 21: 1389-1393.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.measure.stats import Floats

Flags = NDArray[np.bool_]
CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Auc:
    """An area with its interval [low, high] at `confidence`, from so many positives and negatives.

    `auc` is NaN, and the interval [0, 1], where one of the two is missing.
    """

    auc: float
    low: float
    high: float
    positives: int
    negatives: int
    confidence: float = CONFIDENCE

    @property
    def standard_error(self) -> float:
        """Half the interval over its deviate: exact where it was not clipped to [0, 1]."""
        return (self.high - self.low) / (2.0 * _deviate(self.confidence))


@dataclass(frozen=True, slots=True)
class AucDifference:
    """Second area less the first, of the same items, with its interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float


def midranks(values: ArrayLike) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs; along the last axis."""
    table = np.asarray(values, dtype=float)
    order = np.argsort(table, axis=-1, kind="stable")
    ordered = np.take_along_axis(table, order, axis=-1)
    n = table.shape[-1]
    position = np.broadcast_to(np.arange(n), table.shape)
    is_first = np.ones(table.shape, dtype=bool)
    is_first[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    is_last = np.ones(table.shape, dtype=bool)
    is_last[..., :-1] = is_first[..., 1:]
    first = np.maximum.accumulate(np.where(is_first, position, 0), axis=-1)
    last = np.flip(
        np.minimum.accumulate(np.flip(np.where(is_last, position, n - 1), axis=-1), axis=-1), axis=-1
    )
    ranks = np.empty(table.shape)
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=-1)
    return ranks


def aucs(scores: ArrayLike, labels: ArrayLike) -> Floats:
    """Areas of many scorings at once: `scores` [..., items], `labels` [items]; NaN without both classes,
    and where a score is NaN."""
    table, is_positive = np.asarray(scores, dtype=float), _flags(labels)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return np.full(table.shape[:-1], np.nan)
    rows = np.ascontiguousarray(table.reshape(-1, table.shape[-1]))
    sums = _positive_ranks(rows, is_positive)
    areas: Floats = (sums - positives * (positives + 1) / 2.0) / (positives * negatives)
    return areas.reshape(table.shape[:-1])


def _positive_ranks(rows: Floats, is_positive: Flags) -> Floats:
    """Sum of the positives' midranks in each row, [rows].

    The label rides in the lowest bit of its score, so that sorting alone, several times as fast as sorting
    indices, brings the labels into order. Rows in which that bit could have decided are ranked again.
    """
    packed = rows.view(np.int64) & ~1
    packed |= is_positive
    values = packed.view(np.float64)
    values.sort(axis=-1)
    flags = packed & 1
    packed ^= flags
    # with the bit set an infinity is no number, and no number has a rank
    finite = np.isfinite(rows).all(axis=-1)
    again = np.flatnonzero((values[:, 1:] == values[:, :-1]).any(axis=-1) | ~finite)
    found: Floats = flags.astype(float) @ np.arange(1.0, rows.shape[-1] + 1.0)
    if again.size:
        found[again] = midranks(rows[again])[:, is_positive].sum(axis=-1)
        found[np.isnan(rows).any(axis=-1)] = np.nan
    return found


def auc(scores: ArrayLike, labels: ArrayLike, confidence: float = CONFIDENCE) -> Auc:
    """The area of one scoring with DeLong's interval, clipped to [0, 1]."""
    values, is_positive = np.asarray(scores, dtype=float), _flags(labels)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return Auc(math.nan, 0.0, 1.0, positives, negatives, confidence)
    of_positives, of_negatives = placements(values, is_positive)
    area = float(of_positives.mean())
    variance = _variance(of_positives) + _variance(of_negatives)
    low, high = _interval(area, variance, min(positives, negatives), confidence)
    return Auc(area, low, high, positives, negatives, confidence)


def placements(scores: Floats, is_positive: Flags) -> tuple[Floats, Floats]:
    """DeLong's structural components: of each positive the share of negatives below it, of each negative the
    share of positives above it; equal ones count half."""
    whole = midranks(scores)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    below = (whole[is_positive] - midranks(scores[is_positive])) / negatives
    above = 1.0 - (whole[~is_positive] - midranks(scores[~is_positive])) / positives
    return below, above


def compare_aucs(
    first: ArrayLike, second: ArrayLike, labels: ArrayLike, confidence: float = CONFIDENCE
) -> AucDifference:
    """The second scoring's area less the first's, on the same items, by DeLong's covariance."""
    a, b, is_positive = np.asarray(first, dtype=float), np.asarray(second, dtype=float), _flags(labels)
    if is_positive.all() or not is_positive.any():
        return AucDifference(math.nan, -1.0, 1.0, 1.0)
    parts = [y - x for x, y in zip(placements(a, is_positive), placements(b, is_positive), strict=True)]
    difference = float(parts[0].mean())
    is_same = not any(part.any() for part in parts)
    # a difference of two shares lies in [-1, 1]
    error = 0.0 if is_same else math.sqrt(_variance(parts[0], 1.0) + _variance(parts[1], 1.0))
    if error == 0.0:
        return AucDifference(difference, difference, difference, 1.0 if difference == 0.0 else 0.0)
    half, p = _deviate(confidence) * error, math.erfc(abs(difference) / error / math.sqrt(2.0))
    return AucDifference(difference, difference - half, difference + half, p)


def grouped_auc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    seed: int,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the area that resamples whole groups: responses to one source are not
    independent, which DeLong takes them to be. [0, 1] where fewer than 2 groups or one class are there."""
    values, is_positive, names = np.asarray(scores, dtype=float), _flags(labels), np.asarray(groups)
    unique = np.unique(names)
    if len(unique) < 2 or is_positive.all() or not is_positive.any():
        return 0.0, 1.0
    members = [np.flatnonzero(names == name) for name in unique]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = np.concatenate([members[number] for number in rng.integers(len(unique), size=len(unique))])
        found.append(float(aucs(values[drawn], is_positive[drawn])))
    areas = np.array(found)
    low, high = np.nanquantile(areas, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return float(low), float(high)


def within_auc(scores: ArrayLike, labels: ArrayLike, strata: ArrayLike) -> float:
    """Share of (positive, negative) pairs of one stratum that are in the right order; NaN without a pair.

    What is left of a pooled area when the stratum, such as the task, is known.
    """
    values, is_positive, names = np.asarray(scores, dtype=float), _flags(labels), np.asarray(strata)
    right = pairs = 0.0
    for name in np.unique(names):
        inside = names == name
        count = float(is_positive[inside].sum()) * float((~is_positive[inside]).sum())
        if count:
            right += float(aucs(values[inside], is_positive[inside])) * count
            pairs += count
    return right / pairs if pairs else math.nan


def within_auc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    strata: ArrayLike,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Interval of `within_auc`: DeLong's variance of each stratum, weighted by its pairs."""
    values, is_positive, names = np.asarray(scores, dtype=float), _flags(labels), np.asarray(strata)
    variance = pairs = 0.0
    fewest = 0
    for name in np.unique(names):
        inside = names == name
        flags = is_positive[inside]
        fewest += min(int(flags.sum()), int((~flags).sum()))
        count = float(flags.sum()) * float((~flags).sum())
        if count:
            parts = placements(values[inside], flags)
            variance += count**2 * sum(map(_variance, parts))
            pairs += count
    if not pairs:
        return 0.0, 1.0
    return _interval(within_auc(scores, labels, strata), variance / pairs**2, fewest, confidence)


def correlation(scores: ArrayLike, labels: ArrayLike) -> float:
    """Pearson's correlation (PCC) of scores and labels; NaN where one of them does not vary."""
    a, b = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    if a.size < 2 or a.std() == 0.0 or b.std() == 0.0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def _interval(area: float, variance: float, fewest: int, confidence: float) -> tuple[float, float]:
    """Normal interval, clipped to [0, 1]; Wilson's with the smaller class's number where all pairs are in
    the right order, or all in the wrong one, so that nothing varies and yet nothing is certain."""
    z = _deviate(confidence)
    if variance == 0.0 and area in (0.0, 1.0):
        surely = fewest / (fewest + z * z)
        return (surely, 1.0) if area else (0.0, 1.0 - surely)
    half = z * math.sqrt(variance)
    return max(0.0, area - half), min(1.0, area + half)


def _variance(parts: Floats, most: float = 0.25) -> float:
    """Of their mean; for a single one, whose spread nobody knows, the most that it can be."""
    return float(parts.var(ddof=1)) / parts.size if parts.size > 1 else most


def _flags(labels: ArrayLike) -> Flags:
    return np.asarray(labels).astype(bool)


def _deviate(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)
