"""Whether a lower precision answers worse than a higher one: one rule for every room that compares them.

A result is one score in [0, 1] for each example, shape [n], or its counts (true positives, false positives,
false negatives), shape [n, 3], of which the score is micro F1. Both precisions answer the same examples in
the same order, so that what is hard for both cancels. Pure: no model, no files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from harness.measure.resampling import bca_interval, resampled_totals
from harness.measure.stats import Floats

Decision = Literal["pass", "fail", "inconclusive", "undefined"]

LIMIT = 0.05
CONFIDENCE = 0.95
POWER = 0.8
RESAMPLES = 5000


@dataclass(frozen=True, slots=True)
class Divergence:
    """What `n` paired examples say about a drop of the score.

    `drop` is relative to the higher precision's score, negative for an improvement, with its paired
    interval [low, high]; all three are NaN where that score is 0. A bound is infinite where the higher
    precision is right too rarely to bound the drop. `paired_sd` is the drop's standard deviation per
    example. `needed` is the number of examples that would decide an inconclusive drop, None if none would.
    """

    n: int
    higher: float
    lower: float
    drop: float
    low: float
    high: float
    decision: Decision
    paired_sd: float
    needed: int | None
    limit: float
    confidence: float

    @property
    def points(self) -> float:
        """The absolute difference in percentage points, positive for a drop."""
        return 100.0 * (self.higher - self.lower)


def judge_divergence(
    higher: ArrayLike,
    lower: ArrayLike,
    *,
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Divergence:
    """Judge the lower precision's results against the higher one's on the same examples.

    The interval is the paired BCa bootstrap over examples: nearly exact where few pairs differ, when the
    percentile interval is too short. One example has no interval: inconclusive. Raises ValueError for
    results that are not paired, not finite or out of range.
    """
    if not (0.0 < limit < 1.0 and 0.0 < confidence < 1.0):
        raise ValueError(f"limit and confidence lie between 0 and 1, got {limit} and {confidence}")
    above, below = _fractions(higher), _fractions(lower)
    _refuse_unpaired(np.asarray(higher), np.asarray(lower))
    rows = np.hstack([above, below])
    n = len(rows)
    top, bottom = _score(above.sum(axis=0)), _score(below.sum(axis=0))
    if not top > 0.0:
        nan = math.nan
        return Divergence(n, top, bottom, nan, nan, nan, "undefined", nan, None, limit, confidence)
    drop = float(_drops(rows.sum(axis=0)))
    influence = _drop_influence(rows)
    if n == 1:
        low, high, sd = -math.inf, 1.0, math.nan
    elif np.array_equal(above, below):
        low, high, sd = 0.0, 0.0, 0.0
    else:
        replicates = _drops(resampled_totals(rows, seed=seed, resamples=resamples))
        low, high = bca_interval(drop, replicates, influence, confidence)
        high = min(high, 1.0)
        sd = float(influence.std(ddof=1))
    decision = decide(drop, low, high, limit)
    needed = None
    if decision == "inconclusive" and n > 1:
        more = examples_needed(drop, sd, limit, confidence=confidence)
        needed = None if more is None else max(more, n + 1)
    return Divergence(n, top, bottom, drop, low, high, decision, sd, needed, limit, confidence)


def drop_per_example(higher: ArrayLike, lower: ArrayLike) -> Floats:
    """Each example's part of the relative drop, shape [n]: the mean is the drop, the spread its error.

    The delta method's linear approximation, for callers that average losses per example themselves; NaN where
    the higher precision scores 0. Raises ValueError like `judge_divergence`.
    """
    above, below = _fractions(higher), _fractions(lower)
    _refuse_unpaired(np.asarray(higher), np.asarray(lower))
    rows = np.hstack([above, below])
    if not _score(above.sum(axis=0)) > 0.0:
        return np.full(len(rows), math.nan)
    return float(_drops(rows.sum(axis=0))) + _drop_influence(rows)


def decide(drop: float, low: float, high: float, limit: float) -> Decision:
    """The rule itself, for a drop inside its interval [low, high].

    A drop above the limit fails when it is real, that is when its interval lies above 0. A pass says that the
    whole interval lies below the limit. At a true drop just over the limit the estimate falls on either side
    about equally often; only a pass is rarely wrong, at most (1 - confidence) / 2.
    """
    if drop > limit and low > 0.0:
        return "fail"
    return "pass" if high < limit else "inconclusive"


def examples_needed(
    drop: float,
    paired_sd: float,
    limit: float = LIMIT,
    *,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> int | None:
    """Paired examples that decide a true `drop` with probability `power`; None when no number does.

    Under the limit: the sample size of a paired non-inferiority test, ((z_confidence + z_power) sd /
    (limit - drop))^2 (Julious 2004, Statistics in Medicine 23: 1921-1986). Over it: the estimate must clear
    both the limit and its own half-width. At the limit itself no number of examples settles it.
    A normal approximation: a skewed interval may cost some points of power.
    """
    normal = NormalDist()
    z, z_power = normal.inv_cdf(0.5 + confidence / 2.0), normal.inv_cdf(power)
    distance = abs(limit - drop)
    if not distance > 0.0 or not math.isfinite(paired_sd):
        return None
    if drop < limit:
        needed = ((z + z_power) * paired_sd / distance) ** 2
    else:
        needed = max((z + z_power) * paired_sd / drop, z_power * paired_sd / distance) ** 2
    return max(2, math.ceil(needed)) if math.isfinite(needed) else None


def score_interval(
    results: ArrayLike, *, confidence: float = CONFIDENCE, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """(score, low, high) of one precision alone; the score is NaN where micro F1 counted nothing."""
    rows = _fractions(results)
    score = _score(rows.sum(axis=0))
    if math.isnan(score):
        return score, score, score
    if len(rows) == 1:
        return score, 0.0, 1.0
    totals = resampled_totals(rows, seed=seed, resamples=resamples)
    low, high = bca_interval(score, _ratios(totals), rows[:, 0] - score * rows[:, 1], confidence)
    return score, max(low, 0.0), min(high, 1.0)


def explain(divergence: Divergence) -> str:
    """One line for people."""
    d = divergence
    examples = f"{d.n:,} paired example{'s' if d.n != 1 else ''}"
    if d.decision == "undefined":
        nothing = "counts nothing" if math.isnan(d.higher) else "scores 0"
        return f"undefined: the higher precision {nothing} on {examples}, there is nothing to drop from"
    interval = f"[{100 * d.low:.1f}, {100 * d.high:.1f}] ({100 * d.confidence:g} %)"
    return (
        f"{d.decision}: score {d.higher:.3f} -> {d.lower:.3f}, drop {100 * d.drop:.1f} % {interval}, "
        f"{d.points:.1f} points; limit {100 * d.limit:g} %; {examples}{_ending(d)}"
    )


def _ending(d: Divergence) -> str:
    if d.decision == "pass" and d.low == d.high:
        others = 1.0 - (1.0 - d.confidence) ** (1.0 / d.n)
        return f", all alike; {100 * others:.2g} % of all examples may still be others"
    if d.decision != "inconclusive":
        return ""
    if d.n == 1:
        return ", which has no interval"
    if d.needed is None:
        return "; no number of examples would decide a drop at the limit"
    return f"; about {d.needed:,} would decide"


def _fractions(results: ArrayLike) -> Floats:
    """Each example's part of the score's numerator and denominator, [n, 2]: score = total / total."""
    table = np.asarray(results, dtype=float)
    if table.ndim == 1 and table.size:
        if not ((table >= 0.0) & (table <= 1.0)).all():
            raise ValueError("scores lie between 0 and 1, and none is NaN")
        return np.column_stack([table, np.ones_like(table)])
    if table.ndim == 2 and table.shape[0] and table.shape[1] == 3:
        if not (np.isfinite(table) & (table >= 0.0) & (table == np.round(table))).all():
            raise ValueError("counts are whole numbers from 0")
        return np.column_stack([2.0 * table[:, 0], 2.0 * table[:, 0] + table[:, 1] + table[:, 2]])
    raise ValueError(f"results are scores [n] or counts [n, 3] of at least one example, got {table.shape}")


def _refuse_unpaired(higher: Floats, lower: Floats) -> None:
    if higher.shape != lower.shape:
        raise ValueError(f"paired results have one shape, got {higher.shape} and {lower.shape}")
    if higher.ndim == 2:
        wanted, other = higher[:, 0] + higher[:, 2], lower[:, 0] + lower[:, 2]
        unlike = np.flatnonzero(wanted != other)
        if unlike.size:
            i = int(unlike[0])
            raise ValueError(f"pair {i} is not one example: {wanted[i]:g} and {other[i]:g} things to find")


def _score(totals: Floats) -> float:
    return float(totals[0] / totals[1]) if totals[1] else math.nan


def _ratios(totals: Floats) -> Floats:
    """Score of each row of (numerator, denominator), NaN without a denominator."""
    with np.errstate(invalid="ignore"):
        return np.asarray(totals[..., 0] / totals[..., 1], dtype=float)


def _drops(totals: Floats) -> Floats:
    """1 - lower / higher of each row of both fractions; -inf from 0 to more, NaN from 0 to 0.

    As one division of differences: exact at the limit where totals are whole.
    """
    higher, lower = totals[..., 0] * totals[..., 3], totals[..., 2] * totals[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((higher - lower) / higher, dtype=float)


def _drop_influence(rows: Floats) -> Floats:
    """Empirical influence of each example on the drop (delta method), shape [n]; its mean is 0."""
    means = rows.mean(axis=0)
    top, bottom = means[0] / means[1], means[2] / means[3]
    on_top = (rows[:, 0] - top * rows[:, 1]) / means[1]
    on_bottom = (rows[:, 2] - bottom * rows[:, 3]) / means[3]
    return np.asarray((bottom * on_top / top - on_bottom) / top, dtype=float)
