"""Curves and thresholds of a scoring: ROC, precision and recall, F1. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.measure.stats import Floats


@dataclass(frozen=True, slots=True)
class Confusion:
    """What became of items when those scored at or above a threshold are called hallucinated."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Share of the called that are; NaN where nothing was called."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the hallucinated that were called; NaN without any."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where nothing was found."""
        whole = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / whole if whole else 0.0

    @property
    def accuracy(self) -> float:
        """Share of right calls."""
        right = self.true_positives + self.true_negatives
        return _share(right, right + self.false_positives + self.false_negatives)


@dataclass(frozen=True, slots=True)
class Curves:
    """All thresholds of a scoring, from the highest: each a score that occurs, and infinity first.

    Shapes are [thresholds]; precision is 1 where nothing is called.
    """

    thresholds: Floats
    true_positive_rate: Floats
    false_positive_rate: Floats
    precision: Floats

    @property
    def f1(self) -> Floats:
        """F1 at each threshold."""
        total = self.precision + self.true_positive_rate
        product = 2.0 * self.precision * self.true_positive_rate
        return np.divide(product, total, out=np.zeros_like(total), where=total > 0.0)


def curves(scores: ArrayLike, labels: ArrayLike) -> Curves:
    """ROC and precision-recall of one scoring; raises ValueError without both classes."""
    values, flags = np.asarray(scores, dtype=float), np.asarray(labels).astype(bool)
    positives, negatives = int(flags.sum()), int((~flags).sum())
    if not positives or not negatives:
        raise ValueError("curves need both classes")
    order = np.argsort(-values, kind="stable")
    ordered, hits = values[order], np.cumsum(flags[order])
    # equal scores are called together
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    true = np.concatenate([[0.0], hits[last].astype(float)])
    called = np.concatenate([[0.0], last + 1.0])
    precision = np.divide(true, called, out=np.ones_like(true), where=called > 0.0)
    return Curves(
        thresholds=np.concatenate([[np.inf], ordered[last]]),
        true_positive_rate=true / positives,
        false_positive_rate=(called - true) / negatives,
        precision=precision,
    )


def confusion(scores: ArrayLike, labels: ArrayLike, threshold: float) -> Confusion:
    """Counts at one threshold."""
    called, flags = np.asarray(scores, dtype=float) >= threshold, np.asarray(labels).astype(bool)
    return Confusion(
        int((called & flags).sum()),
        int((called & ~flags).sum()),
        int((~called & flags).sum()),
        int((~called & ~flags).sum()),
    )


def best_threshold(scores: ArrayLike, labels: ArrayLike) -> float:
    """The threshold of the highest F1, of equals the highest; the lowest score where there is one class."""
    values, flags = np.asarray(scores, dtype=float), np.asarray(labels).astype(bool)
    if flags.all() or not flags.any():
        return float(values.min()) if flags.all() else math.inf
    found = curves(values, flags)
    return float(found.thresholds[int(np.argmax(found.f1))])


def _share(count: int, of: int) -> float:
    return count / of if of else math.nan
