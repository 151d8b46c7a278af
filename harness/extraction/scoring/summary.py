"""Scores of companies as one: shares with intervals, over all fields and for each group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from harness.extraction.schema.groups import GROUPS_13
from harness.extraction.scoring.company_score import MEASURES, CompanyScore, Measure, count
from harness.measure.resampling import bca_interval, resampled_totals
from harness.measure.stats import Floats

CONFIDENCE = 0.95
RESAMPLES = 5000
_GROUPS = ("", *(group.key for group in GROUPS_13))


@dataclass(frozen=True, slots=True)
class Rate:
    """`part` of `whole` cells, with the interval of the share over companies; NaN of no cells.

    One company has the interval [0, 1]. Where all companies agree the interval has no width: it says how much
    companies differ, not what a company of another kind would do.
    """

    part: int
    whole: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share."""
        return self.part / self.whole if self.whole else math.nan


@dataclass(frozen=True, slots=True)
class Rates:
    """The measures, as `company_score.MEASURES` says them."""

    coverage: Rate
    precision: Rate
    false_fills: Rate
    grounded: Rate
    at_gold: Rate


@dataclass(frozen=True, slots=True)
class Summary:
    """What scores of `companies` companies say; `groups` by the keys of the 13. `extra` facilities exist not,
    `missed` ones were not found."""

    companies: int
    facilities: int
    missed: int
    extra: int
    calls: int
    tokens: int
    rates: Rates
    groups: Mapping[str, Rates]

    @property
    def coverage(self) -> Rate:
        """Of the values that are there, the share that was found."""
        return self.rates.coverage


def summary(
    scores: Sequence[CompanyScore], *, seed: int, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> Summary:
    """Shares over all cells of all companies, with BCa bootstrap intervals over companies.

    Cells of one company are read from the same pages and are no independent examples, so companies are drawn.
    Raises ValueError for no scores.
    """
    if not scores:
        raise ValueError("there are no scores to summarise")
    table = count_table(scores)
    replicates = resampled_totals(table, seed=seed, resamples=resamples) if len(scores) > 1 else table
    every = {
        group: Rates(
            **{
                measure: _rate(table, replicates, column_of(measure, group), confidence)
                for measure in MEASURES
            }
        )
        for group in _GROUPS
    }
    matched = sum(score.matched for score in scores)
    facilities = sum(score.facilities for score in scores)
    return Summary(
        len(scores),
        facilities,
        facilities - matched,
        sum(score.found for score in scores) - matched,
        sum(score.calls for score in scores),
        sum(score.tokens for score in scores),
        every[""],
        MappingProxyType({group: rates for group, rates in every.items() if group}),
    )


def count_table(scores: Sequence[CompanyScore]) -> Floats:
    """One row for each company; two columns, part and whole, for each group and measure."""
    return np.array([_counts(score) for score in scores], dtype=float)


def _counts(score: CompanyScore) -> list[int]:
    by_group = [score.cells(group) for group in _GROUPS]
    return [number for cells in by_group for measure in MEASURES for number in count(cells, measure)]


def column_of(measure: Measure, group: str = "") -> int:
    """Where in `count_table` the part of a measure stands; its whole is beside it."""
    return 2 * (_GROUPS.index(group) * len(MEASURES) + MEASURES.index(measure))


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN for no cells."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, math.nan), dtype=float)


def _rate(table: Floats, replicates: Floats, column: int, confidence: float) -> Rate:
    part, whole = table[:, column], table[:, column + 1]
    totals = int(part.sum()), int(whole.sum())
    if not totals[1]:
        return Rate(*totals, math.nan, math.nan)
    if len(table) == 1:
        return Rate(*totals, 0.0, 1.0)
    estimate = totals[0] / totals[1]
    drawn = share(replicates[:, column], replicates[:, column + 1])
    low, high = bca_interval(estimate, drawn, part - estimate * whole, confidence)
    return Rate(*totals, max(low, 0.0), min(high, 1.0))
