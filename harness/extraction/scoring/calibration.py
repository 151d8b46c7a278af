"""Whether confidence means what it says: of values given with 0.8, are 80 % right?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.extraction.scoring.company_score import CompanyScore


@dataclass(frozen=True, slots=True)
class Bin:
    """Values with a confidence above `low` and up to `high` (the first bin has 0 too): how many, their mean
    confidence, and the share of them that is right; both NaN for none."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability table of `count` values.

    `expected_error` is the mean over values of |right - confidence| of their bin (expected calibration error;
    Naeini, Cooper & Hauskrecht 2015), `greatest_error` the largest of any bin, `brier` the mean squared error
    of the confidences (Brier 1950). All NaN for no values.
    """

    bins: tuple[Bin, ...]
    count: int
    expected_error: float
    greatest_error: float
    brier: float


def confidences(scores: Iterable[CompanyScore]) -> list[tuple[float, bool]]:
    """(confidence, whether it is right) of every value that was filled in, false fills included."""
    return [
        (each.confidence, each.verdict == "right")
        for score in scores
        for each in score.outcomes
        if each.is_filled
    ]


def reliability(values: Sequence[tuple[float, bool]], bins: int = 10) -> Reliability:
    """The table over `bins` bins of equal width. Raises ValueError for a confidence outside [0, 1]."""
    if bins < 1:
        raise ValueError(f"there must be a bin, got {bins}")
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, is_right in values:
        if not 0.0 <= confidence <= 1.0:
            raise ValueError(f"a confidence lies between 0 and 1, got {confidence}")
        held[_bin(confidence, bins)].append((confidence, is_right))
    table = tuple(_row(number, bins, each) for number, each in enumerate(held))
    if not values:
        return Reliability(table, 0, math.nan, math.nan, math.nan)
    filled = [each for each in table if each.count]
    errors = [abs(each.right - each.confidence) for each in filled]
    return Reliability(
        table,
        len(values),
        math.fsum(error * each.count for error, each in zip(errors, filled, strict=True)) / len(values),
        max(errors),
        math.fsum((confidence - is_right) ** 2 for confidence, is_right in values) / len(values),
    )


def _bin(confidence: float, bins: int) -> int:
    """The bin whose printed bounds hold it: 0.3 is in (0.2, 0.3], whatever 0.3 x 10 is in binary."""
    number = min(bins - 1, max(0, math.ceil(confidence * bins) - 1))
    if number and confidence <= number / bins:
        return number - 1
    return number + 1 if confidence > (number + 1) / bins else number


def _row(number: int, bins: int, held: Sequence[tuple[float, bool]]) -> Bin:
    low, high = number / bins, (number + 1) / bins
    if not held:
        return Bin(low, high, 0, math.nan, math.nan)
    confidence = math.fsum(each for each, _ in held) / len(held)
    return Bin(low, high, len(held), confidence, sum(is_right for _, is_right in held) / len(held))
