"""One company's result against its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from harness.extraction.asks import Facility
from harness.extraction.result import CompanyResult, FacilityResult
from harness.extraction.schema.fields import FIELDS
from harness.extraction.scoring.assignment import match_facilities
from harness.extraction.scoring.outcome import Outcome, judge, judge_extra
from harness.extraction.truth import Truth

Measure = Literal["coverage", "precision", "false_fills", "grounded", "at_gold"]
_Test = Callable[[Outcome], bool]
_PARTS: Mapping[Measure, tuple[_Test, _Test]] = MappingProxyType(
    {
        "coverage": (lambda each: each.verdict == "right", lambda each: each.is_present),
        "precision": (lambda each: each.verdict == "right", lambda each: each.is_filled),
        "false_fills": (lambda each: each.verdict == "false_fill", lambda each: not each.is_present),
        "grounded": (lambda each: each.grounded, lambda each: each.is_filled),
        "at_gold": (lambda each: each.at_gold, lambda each: each.verdict == "right"),
    }
)
MEASURES: tuple[Measure, ...] = tuple(_PARTS)
"""Shares of cells. Of present values, those found; of cells filled in, the right ones; of cells that are to
be empty, those filled in; of cells filled in, those with evidence; of right ones, those with it in place."""


@dataclass(frozen=True, slots=True)
class CompanyScore:
    """All cells of one company: each true facility with each field, then those of facilities that are none.

    `facilities` exist, `found` were found, `matched` of them exist. `calls` and `tokens` are what it cost.
    """

    company: str
    digest: str
    outcomes: tuple[Outcome, ...]
    facilities: int
    found: int
    matched: int
    calls: int
    tokens: int

    def count(self, measure: Measure, group: str = "") -> tuple[int, int]:
        """(cells that are so, cells that could be) for a measure, over all groups or one of the 13."""
        return count(self.cells(group), measure)

    def cells(self, group: str = "") -> list[Outcome]:
        """The outcomes of all groups or of one."""
        return [each for each in self.outcomes if not group or FIELDS[each.field].group == group]


def count(cells: Iterable[Outcome], measure: Measure) -> tuple[int, int]:
    """(cells that are so, cells that could be) for a measure."""
    is_so, could_be = _PARTS[measure]
    possible = [each for each in cells if could_be(each)]
    return sum(map(is_so, possible)), len(possible)


def score_company(result: CompanyResult, truth: Truth) -> CompanyScore:
    """Score every cell: a value of the deal counts for each true facility, since each has a row of its own.

    A facility that was not found misses all its values; one that does not exist has only false fills. Raises
    ValueError for the truth of other documents: its spans would mean nothing.
    """
    if result.company.digest != truth.company.digest:
        raise ValueError(f"the truth of {truth.company.name!r} is about other documents than the result")
    rows = [_facility(row) for row in result.facilities]
    matching = match_facilities(rows, truth.facilities)
    partner = {true: found for found, true in matching.pairs}
    outcomes: list[Outcome] = []
    for number, facility in enumerate(truth.facilities):
        found = partner.get(number)
        values = {} if found is None else result.facilities[found].values
        outcomes += [
            judge(truth, result.company, facility.name, field, values.get(key))
            for key, field in FIELDS.items()
        ]
    for number in matching.extra:
        row = result.facilities[number]
        outcomes += [
            judge_extra(result.company, row.facility.name, field, row.values.get(key))
            for key, field in FIELDS.items()
        ]
    return CompanyScore(
        result.company.name,
        result.company.digest,
        tuple(outcomes),
        len(truth.facilities),
        len(result.facilities),
        len(matching.pairs),
        result.calls,
        result.tokens,
    )


def _facility(row: FacilityResult) -> Facility:
    """As it was detected; where that told no amount, with the credit limit that was found later."""
    limit = row.values.get("credit_limit")
    if row.facility.amount or limit is None or limit.status != "FOUND":
        return row.facility
    return replace(row.facility, amount=limit.value)
