"""Two pipelines on the same companies: differences of their shares, paired."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from harness.extraction.schema.groups import GROUPS_13
from harness.extraction.scoring.company_score import MEASURES, CompanyScore, Measure
from harness.extraction.scoring.summary import CONFIDENCE, RESAMPLES, column_of, count_table, share
from harness.measure.resampling import bca_interval, resampled_totals
from harness.measure.stats import Floats, randomisation_p


@dataclass(frozen=True, slots=True)
class Difference:
    """The share `after` less the share `before`, with its paired interval; NaN where either has no cells.

    `p` is that of "the two are exchangeable on each company", from their shares company by company.
    """

    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def value(self) -> float:
        """after - before: 0.15 is 15 points."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences by measure, and those of coverage by group. `calls` and `tokens`: after / before, NaN for
    nothing before."""

    companies: int
    measures: Mapping[Measure, Difference]
    coverage_by_group: Mapping[str, Difference]
    calls: float
    tokens: float


def compare(
    before: Sequence[CompanyScore],
    after: Sequence[CompanyScore],
    *,
    seed: int,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two scores of the same companies, in any order: the paired BCa bootstrap over companies.

    Raises ValueError when the companies are not the same, by name and documents, or one comes twice.
    """
    first, second = _sorted(before), _sorted(after)
    if [_identity(each) for each in first] != [_identity(each) for each in second] or not first:
        raise ValueError("only scores of the same companies can be compared")
    width = count_table(first).shape[1]
    table = np.hstack([count_table(first), count_table(second)])
    replicates = resampled_totals(table, seed=seed, resamples=resamples) if len(table) > 1 else table

    def difference(measure: Measure, group: str = "") -> Difference:
        return _difference(table, replicates, column_of(measure, group), width, confidence)

    return Comparison(
        len(first),
        MappingProxyType({measure: difference(measure) for measure in MEASURES}),
        MappingProxyType({group.key: difference("coverage", group.key) for group in GROUPS_13}),
        _ratio(sum(each.calls for each in first), sum(each.calls for each in second)),
        _ratio(sum(each.tokens for each in first), sum(each.tokens for each in second)),
    )


def _identity(score: CompanyScore) -> tuple[str, str]:
    return score.company, score.digest


def _sorted(scores: Sequence[CompanyScore]) -> list[CompanyScore]:
    ordered = sorted(scores, key=_identity)
    if any(_identity(one) == _identity(next_) for one, next_ in pairwise(ordered)):
        raise ValueError("a company comes twice")
    return ordered


def _difference(table: Floats, replicates: Floats, at: int, width: int, confidence: float) -> Difference:
    (part, whole), (part_after, whole_after) = (
        (table[:, column], table[:, column + 1]) for column in (at, at + width)
    )
    before, after = (
        float(share(*(np.array([each.sum()]) for each in pair))[0])
        for pair in ((part, whole), (part_after, whole_after))
    )
    if math.isnan(before) or math.isnan(after):
        return Difference(before, after, math.nan, math.nan, math.nan)
    each_before, each_after = share(part, whole), share(part_after, whole_after)
    steps = (each_after - each_before)[~np.isnan(each_after - each_before)]
    p = randomisation_p(steps)
    if len(table) == 1:
        return Difference(before, after, -1.0, 1.0, p)
    drawn = _shares(replicates, at + width) - _shares(replicates, at)
    influence = (part_after - after * whole_after) / whole_after.sum() - (part - before * whole) / whole.sum()
    low, high = bca_interval(after - before, drawn, influence, confidence)
    return Difference(before, after, max(low, -1.0), min(high, 1.0), p)


def _shares(table: Floats, at: int) -> Floats:
    return share(table[:, at], table[:, at + 1])


def _ratio(before: int, after: int) -> float:
    return after / before if before else math.nan
