"""What the documented pipeline will take, before anything is asked: by formula, and for a given company."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.extraction.asks import Ask, Confidence, Facility, Found, Reader, Reply, Stage
from harness.extraction.chunks import TokenSpans, four_characters
from harness.extraction.company import Company
from harness.extraction.documented.asking import Asking
from harness.extraction.documented.chunked import windows
from harness.extraction.documented.course import course
from harness.extraction.documented.extract import Retrieve, asking_of
from harness.extraction.documented.settings import Settings
from harness.extraction.schema.fields import FIELDS
from harness.extraction.timing import QUOTED, CallTime, Lengths, Wave

_AROUND_TEXT = {"detection": 600, "retrieval": 600, "section": 600, "verification": 600, "deep": 300}
"""Prompt tokens beside the text shown. A group's call was logged with 6,600 tokens, 6,000 of them text."""
_DETECTION_ANSWER, _DEEP_ANSWER = 330, 110
_GROUP_ANSWER, _FIELD_ANSWER = 40, 60
"""Tokens of an answer, quoted with the time model; a verification fills its limit."""


def nominal_calls(
    facilities: int, *, groups: int, section_passes: int, verification: bool, deep_fields: int
) -> int:
    """C = 1 + N (G (1 + S) + V + D): the guide's formula, calls that repeat one and early stops left out.

    `section_passes` are those that there are windows for, `deep_fields` those that are missing.
    """
    return 1 + facilities * (groups * (1 + section_passes) + int(verification) + deep_fields)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Calls of a stage and their tokens, calls that repeat one not counted."""

    stage: Stage
    calls: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One company's calls by stage, in order; `waves` are the same calls as they may be open together.

    Calls are exact under `assumptions`, which say in words what could not be known; where one of them fails
    they are a bound from above. Tokens and `minutes` (by `time`, one call after the other, loading left out)
    are what such calls took in the logs.
    """

    stages: tuple[StagePlan, ...]
    waves: tuple[Wave, ...]
    chunks: int
    windows: int
    minutes: float
    time: CallTime
    assumptions: tuple[str, ...]

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(stage.calls for stage in self.stages)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return sum(stage.prompt_tokens + stage.completion_tokens for stage in self.stages)


def plan(
    company: Company,
    reader: Reader,
    settings: Settings | None = None,
    *,
    facilities: int = 2,
    missing: int | Collection[str] | None = None,
    retrieve: Retrieve | None = None,
    spans: TokenSpans = four_characters,
    time: CallTime = QUOTED,
) -> Plan:
    """Go through the company's reading without answers, as if it had so many facilities.

    `missing` are the fields of each facility, or how many of them, that the group passes leave without a
    value; None: not known, and the plan has the most calls that there can be. Asks nothing of the reader but
    how many requests an ask takes. Raises HarnessError as `extract` does, and for counts that are none.
    """
    settings = settings or Settings()
    if facilities < 0 or (isinstance(missing, int) and not 0 <= missing <= len(FIELDS)):
        raise HarnessError(
            f"{facilities} facilities with {missing} missing fields",
            where="documented plan",
            allowed=f"facilities from 0, missing fields from 0 to {len(FIELDS)}",
        )
    asking = asking_of(company, reader, settings, retrieve, spans)
    supposed = _Supposed(facilities, _missing_keys(missing, asking, reader), missing is None)
    stages: dict[Stage, StagePlan] = {}
    waves: list[Wave] = []
    for asks in _asked(asking, reader, supposed):
        wave = tuple(lengths for ask in asks if (lengths := _lengths(ask, asking, reader)).count)
        waves.append(wave)
        stages[asks[0].stage] = StagePlan(
            asks[0].stage,
            sum(each.count for each in wave),
            round(sum(each.count * each.prompt_tokens for each in wave)),
            round(sum(each.count * each.completion_tokens for each in wave)),
        )
    seconds = sum(time.total_s(wave) for wave in waves)
    count = len(asking.text.chunks)
    return Plan(
        tuple(stages.values()),
        tuple(waves),
        count,
        len(windows(count, settings.chunks_per_group)),
        seconds / 60.0,
        time,
        _assumptions(settings, facilities, missing),
    )


@dataclass(frozen=True, slots=True)
class _Supposed:
    """What replies are taken to say. A value of LOW confidence is verified and looked for again: the most
    calls. One of MEDIUM is not looked for again, and stops no group early."""

    facilities: int
    missing: frozenset[str]
    is_most: bool

    def reply(self, ask: Ask) -> Reply:
        if ask.stage == "detection":
            return Reply(facilities=tuple(Facility(f"Facility {n + 1}") for n in range(self.facilities)))
        if ask.stage not in ("retrieval", "section"):
            return Reply()
        confidence: Confidence = "LOW" if self.is_most else "MEDIUM"
        return Reply(
            tuple(
                Found(key, "?", quote="?", confidence=confidence)
                for key in ask.fields
                if key not in self.missing
            )
        )


def _asked(asking: Asking, reader: Reader, supposed: _Supposed) -> list[list[Ask]]:
    """All waves of asks when replies say what is supposed."""
    waves = []
    reading = course(asking, reader)
    try:
        waves.append(next(reading))
        while True:
            waves.append(reading.send([supposed.reply(ask) for ask in waves[-1]]))
    except StopIteration:
        return waves


def _missing_keys(missing: int | Collection[str] | None, asking: Asking, reader: Reader) -> frozenset[str]:
    """Of a number, the fields that deep extraction has an ask for come first, as it takes most calls."""
    if missing is None:
        return frozenset()
    if not isinstance(missing, int):
        return frozenset(missing)
    asks = {key: asking.deep(key) for key in FIELDS}
    with_ask = [key for key, ask in asks.items() if ask is not None and reader.calls(ask)]
    others = [key for key in FIELDS if key not in with_ask]
    return frozenset((with_ask + others)[:missing])


def _lengths(ask: Ask, asking: Asking, reader: Reader) -> Lengths:
    """An ask's requests, each with the whole text and its share of the fields."""
    calls = reader.calls(ask)
    shown = sum(asking.text.tokens(passage) for passage in ask.passages)
    if ask.stage == "detection":
        answer = _DETECTION_ANSWER
    elif ask.stage == "verification":
        answer = ask.output_tokens
    elif ask.stage == "deep":
        answer = _DEEP_ANSWER
    else:
        answer = _GROUP_ANSWER + round(_FIELD_ANSWER * len(ask.fields) / max(1, calls))
    return Lengths(calls, _AROUND_TEXT[ask.stage] + shown, min(answer, ask.output_tokens))


def _assumptions(
    settings: Settings, facilities: int, missing: int | Collection[str] | None
) -> tuple[str, ...]:
    """What the plan could not know, in words."""
    lines = [f"{facilities} facilities: only the detection tells how many there are"]
    if settings.early_stop:
        lines.append("no group stops early: none has all its fields found with HIGH confidence at once")
    if missing is None:
        lines.append("the most calls: every value is verified, and looked for again as if it were LOW")
    else:
        count = missing if isinstance(missing, int) else len(missing)
        which = ", those first that deep extraction can ask for" if isinstance(missing, int) else ""
        lines.append(f"passes leave {count} of {len(FIELDS)} fields of each facility without a value{which}")
    lines.append("no answer has to be asked for again")
    return tuple(lines)


def documented_waves(
    facilities: int,
    fields_per_group: Sequence[int],
    *,
    section_passes: int,
    verification: bool,
    deep_fields: int,
) -> tuple[Wave, ...]:
    """The guide's call classes at the lengths of its time model, without a company: full texts everywhere."""
    groups = [Lengths(facilities, 6600, _GROUP_ANSWER + _FIELD_ANSWER * count) for count in fields_per_group]
    sections = [
        Lengths(each.count * section_passes, each.prompt_tokens, each.completion_tokens) for each in groups
    ]
    return (
        (Lengths(1, 5600, _DETECTION_ANSWER),),
        tuple(groups),
        tuple(sections),
        (Lengths(facilities * int(verification), 4600, 1024),),
        (Lengths(facilities * deep_fields, 6300, _DEEP_ANSWER),),
    )
