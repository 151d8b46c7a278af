"""Pipelines over the gate's companies, scored against the truth. An outcome is computed once in a process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness.extraction.asks import Reader, Stage
from harness.extraction.corpus import Family, Knobs, companies
from harness.extraction.documented.extract import extract as extract_documented
from harness.extraction.documented.settings import Settings as Documented
from harness.extraction.pipeline.extract import extract as extract_ours
from harness.extraction.pipeline.settings import Settings as Ours
from harness.extraction.reading.noise import EMBEDDED
from harness.extraction.reading.opening import Choice, open_reader
from harness.extraction.result import CompanyResult
from harness.extraction.scoring import CompanyScore, score_company, summary
from harness.extraction.timing import QUOTED, waves_of
from harness.extraction.truth import Truth

COUNT, SEED, TOKENS = 12, 2025, 40_000
"""As many companies, and as large, as keep an unlimited reading of them in seconds."""
MANY = 30
"""Companies of a comparison that is to be reported."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Whose pages are read by whom: `reader` is "perfect" or "noisy"."""

    reader: str = "perfect"
    family: Family = "gate"
    count: int = COUNT
    tokens: int = TOKENS


GATE = Setting()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pipeline on all companies of a setting: calls and tokens of a mean company, shares over all cells.

    `by_company` are coverages, `minutes` of a mean company by the quoted time model. `stage_calls` are those
    of a mean company in each stage.
    """

    calls: float
    tokens: float
    minutes: float
    coverage: float
    false_fills: float
    by_company: tuple[float, ...]
    stage_calls: tuple[tuple[Stage, float], ...]

    def calls_of(self, *stages: Stage) -> float:
        """Calls of a mean company in these stages."""
        return math.fsum(calls for stage, calls in self.stage_calls if stage in stages)


@cache
def truths(setting: Setting = GATE) -> tuple[Truth, ...]:
    """The companies of a setting."""
    knobs = replace(Knobs(), tokens=setting.tokens)
    return tuple(companies(setting.count, SEED, knobs, setting.family))


@cache
def documented(settings: Documented, setting: Setting = GATE) -> Outcome:
    """The documented pipeline, answers in its own form."""
    with open_reader(_choice(setting, "verbose")) as opening:
        reader: Reader = opening.reader()
        results = [extract_documented(each.company, reader, settings) for each in truths(setting)]
    return outcome(results, setting)


@cache
def ours(settings: Ours | None = None, setting: Setting = GATE) -> Outcome:
    """Our pipeline, sparse answers."""
    with open_reader(_choice(setting, "sparse")) as opening:
        results = extract_ours([each.company for each in truths(setting)], opening.reader(), settings)
    return outcome(results, setting)


def outcome(results: Sequence[CompanyResult], setting: Setting) -> Outcome:
    """Results of the setting's companies, in their order, against the truth."""
    scores = [score_company(result, truth) for result, truth in zip(results, truths(setting), strict=True)]
    found = summary(scores, seed=0, resamples=1)
    count = len(results)
    stages: dict[Stage, float] = {}
    for cost in (cost for result in results for cost in result.costs):
        stages[cost.stage] = stages.get(cost.stage, 0.0) + cost.calls / count
    seconds = math.fsum(QUOTED.total_s(wave) for result in results for wave in waves_of(result.costs))
    return Outcome(
        calls=sum(result.calls for result in results) / count,
        tokens=sum(result.tokens for result in results) / count,
        minutes=seconds / count / 60.0,
        coverage=found.rates.coverage.value,
        false_fills=found.rates.false_fills.value,
        by_company=tuple(map(_coverage, scores)),
        stage_calls=tuple(stages.items()),
    )


def coverage_lost(before: Outcome, after: Outcome) -> list[float]:
    """Coverage that each company loses."""
    return [a - b for a, b in zip(before.by_company, after.by_company, strict=True)]


def _coverage(score: CompanyScore) -> float:
    part, whole = score.count("coverage")
    return part / whole if whole else 1.0


def _choice(setting: Setting, form: str) -> Choice:
    return Choice(name=setting.reader, format=form, truths=truths(setting), noise=EMBEDDED)
