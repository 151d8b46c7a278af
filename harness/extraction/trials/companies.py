"""Pipelines over the gate's companies, scored against the truth. An outcome is computed once in a process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from harness.extraction.asks import Reader, Stage
from harness.extraction.corpus import Family, Knobs, companies
from harness.extraction.documented.extract import extract as extract_documented
from harness.extraction.documented.settings import Settings as Documented
from harness.extraction.pipeline.extract import extract as extract_ours
from harness.extraction.pipeline.settings import Settings as Ours
from harness.extraction.reading.noise import ASSUMED, EMBEDDED, Noise
from harness.extraction.reading.opening import Choice, open_reader
from harness.extraction.result import CompanyResult, StageCost
from harness.extraction.scoring import CompanyScore, score_company, summary
from harness.extraction.timing import QUOTED, Wave, waves_of
from harness.extraction.truth import Truth

COUNT, SEED, TOKENS = 12, 2025, 40_000
"""As many companies, and as large, as keep an unlimited reading of them in seconds."""
MANY = 30
"""Companies of a comparison that is to be reported."""
READERS: Mapping[str, Noise | None] = MappingProxyType(
    {"perfect": None, "assumed": ASSUMED, "noisy": EMBEDDED}
)
"""Readers that know the truth: without errors, with assumed ones, with those of the embedded model."""
PROFILES: Mapping[str, Ours] = MappingProxyType(
    {
        "perfect": Ours(),
        "assumed": Ours(),
        "noisy": Ours(window_tokens=1000, least_gain=0.1),
    }
)
"""Our settings for each reader, chosen on the tuning family: who errs in long prompts is shown little."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Whose pages are read by whom: `reader` is one of READERS."""

    reader: str = "perfect"
    family: Family = "gate"
    count: int = COUNT
    tokens: int = TOKENS
    seed: int = SEED


GATE = Setting()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pipeline on all companies of a setting: calls and tokens of a mean company, shares over all cells.

    `scores` are the companies', `minutes` of a mean company by the quoted time model, one call after the
    other. `costs` are those of each company, by stage.
    """

    calls: float
    tokens: float
    minutes: float
    coverage: float
    false_fills: float
    scores: tuple[CompanyScore, ...]
    costs: tuple[tuple[StageCost, ...], ...]

    @property
    def by_company(self) -> tuple[float, ...]:
        """Coverage of each company."""
        return tuple(map(_coverage, self.scores))

    def calls_of(self, *stages: Stage) -> float:
        """Calls of a mean company in these stages."""
        calls = (cost.calls for costs in self.costs for cost in costs if cost.stage in stages)
        return math.fsum(calls) / len(self.costs)

    def waves(self) -> list[Wave]:
        """The calls of all companies, stage by stage."""
        return [wave for costs in self.costs for wave in waves_of(costs)]


@cache
def truths(setting: Setting = GATE) -> tuple[Truth, ...]:
    """The companies of a setting."""
    knobs = replace(Knobs(), tokens=setting.tokens)
    return tuple(companies(setting.count, setting.seed, knobs, setting.family))


@cache
def documented(settings: Documented, setting: Setting = GATE) -> Outcome:
    """The documented pipeline, answers in its own form."""
    with open_reader(choice(setting, "verbose")) as opening:
        reader: Reader = opening.reader()
        results = [extract_documented(each.company, reader, settings) for each in truths(setting)]
    return outcome(results, setting)


@cache
def ours(settings: Ours | None = None, setting: Setting = GATE) -> Outcome:
    """Our pipeline, sparse answers; without settings those of the reader's profile."""
    chosen = settings or PROFILES[setting.reader]
    with open_reader(choice(setting, "sparse")) as opening:
        results = extract_ours([each.company for each in truths(setting)], opening.reader(), chosen)
    return outcome(results, setting)


def outcome(results: Sequence[CompanyResult], setting: Setting) -> Outcome:
    """Results of the setting's companies, in their order, against the truth."""
    scores = [score_company(result, truth) for result, truth in zip(results, truths(setting), strict=True)]
    found = summary(scores, seed=0, resamples=1)
    count = len(results)
    costs = tuple(tuple(result.costs) for result in results)
    seconds = math.fsum(QUOTED.total_s(wave) for each in costs for wave in waves_of(each))
    return Outcome(
        calls=sum(result.calls for result in results) / count,
        tokens=sum(result.tokens for result in results) / count,
        minutes=seconds / count / 60.0,
        coverage=found.rates.coverage.value,
        false_fills=found.rates.false_fills.value,
        scores=tuple(scores),
        costs=costs,
    )


def coverage_lost(before: Outcome, after: Outcome) -> list[float]:
    """Coverage that each company loses."""
    return [a - b for a, b in zip(before.by_company, after.by_company, strict=True)]


def choice(setting: Setting, form: str) -> Choice:
    """The reader of a setting, answering in this form."""
    noise = READERS[setting.reader]
    if noise is None:
        return Choice(name="perfect", format=form, truths=truths(setting))
    return Choice(name="noisy", format=form, truths=truths(setting), noise=noise)


def _coverage(score: CompanyScore) -> float:
    part, whole = score.count("coverage")
    return part / whole if whole else 1.0
