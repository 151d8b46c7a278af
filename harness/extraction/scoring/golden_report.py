"""The quality report: an extracted table against a table of right values, field by field."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import HarnessError
from harness.extraction.result import CompanyResult
from harness.extraction.schema.groups import GROUPS_13
from harness.extraction.scoring.company_score import CompanyScore, Measure, score_company
from harness.extraction.scoring.golden import read_extracted, read_golden
from harness.extraction.scoring.outcome import Outcome
from harness.extraction.scoring.summary import Rate, Rates, summary
from harness.extraction.truth import Truth

_MOST_DIFFERENCES = 100
_LONGEST = 80
_WORDS: Mapping[Measure, str] = {
    "coverage": "of the right values were found",
    "precision": "of the values found are right",
    "false_fills": "of the cells that are to be empty were filled in",
}


def golden_report(extracted: Path, golden: Path, *, seed: int = 0) -> Iterator[str]:
    """Lines of text: shares over all fields and by group, and every difference, up to a limit.

    Only companies of the golden table and fields with a column in it count. A company that was not extracted
    misses everything. Raises HarnessError for tables that cannot be read or have no row.
    """
    columns, truths = read_golden(golden)
    if not truths:
        raise HarnessError("there is no row", where=str(golden))
    results = read_extracted(extracted)
    scores = golden_scores(results, truths, columns)
    yield from _companies(results, truths)
    yield from _shares(scores, seed)
    yield from _differences(scores)


def golden_scores(
    results: Mapping[str, CompanyResult], truths: Mapping[str, Truth], columns: Sequence[str]
) -> list[CompanyScore]:
    """A score for each company of the truths, of the fields in `columns`."""
    known = set(columns)
    scores = []
    for name, truth in truths.items():
        result = results.get(name) or CompanyResult(truth.company, (), ())
        score = score_company(result, truth)
        scores.append(replace(score, outcomes=tuple(each for each in score.outcomes if each.field in known)))
    return scores


def _companies(results: Mapping[str, CompanyResult], truths: Mapping[str, Truth]) -> Iterator[str]:
    missing = [name for name in truths if name not in results]
    unknown = [name for name in results if name not in truths]
    yield f"{len(truths)} companies with right values, {len(truths) - len(missing)} of them extracted"
    if missing:
        yield f"not extracted, all values missed: {', '.join(missing)}"
    if unknown:
        yield f"without right values, left out: {', '.join(unknown)}"


def _shares(scores: Sequence[CompanyScore], seed: int) -> Iterator[str]:
    total = summary(scores, seed=seed)
    yield f"{total.facilities} facilities: {total.missed} not found; {total.extra} found that are none"
    for measure, words in _WORDS.items():
        rate = _of(total.rates, measure)
        yield f"{_percent(rate)} {words}"
    for group in GROUPS_13:
        rates = total.groups[group.key]
        if rates.coverage.whole or rates.false_fills.whole:
            yield (
                f"{group.name}: {_short(rates.coverage)} found, {_short(rates.precision)} right, "
                f"{_short(rates.false_fills)} falsely filled in"
            )


def _differences(scores: Sequence[CompanyScore]) -> Iterator[str]:
    lines = [
        f"{score.company}, {each.facility}, {each.field}: {_difference(each)}"
        for score in scores
        for each in score.outcomes
        if each.verdict in ("wrong", "missed", "false_fill")
    ]
    yield f"{len(lines)} differences" if lines else "no differences"
    yield from lines[:_MOST_DIFFERENCES]
    if len(lines) > _MOST_DIFFERENCES:
        yield f"and {len(lines) - _MOST_DIFFERENCES} more"


def _difference(outcome: Outcome) -> str:
    if outcome.verdict == "missed":
        return f"{_cut(outcome.expected)} was not found"
    why = f", the {outcome.mistaken_for}'s" if outcome.mistaken_for == "sister facility" else ""
    if outcome.verdict == "wrong":
        return f"{_cut(outcome.value)} instead of {_cut(outcome.expected)}{why}"
    return f"{_cut(outcome.value)} where there is no {'facility' if outcome.is_extra else 'value'}{why}"


def _of(rates: Rates, measure: Measure) -> Rate:
    rate: Rate = getattr(rates, measure)
    return rate


def _percent(rate: Rate) -> str:
    if math.isnan(rate.value):
        return "none"
    return f"{rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}] ({rate.part} of {rate.whole})"


def _short(rate: Rate) -> str:
    return "none" if math.isnan(rate.value) else f"{rate.part} of {rate.whole}"


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return repr(plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…")
