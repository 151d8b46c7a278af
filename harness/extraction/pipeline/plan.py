"""What reading a company will take, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.extraction.asks import Ask, Facility, Reader, Reply
from harness.extraction.company import Company
from harness.extraction.pipeline.asking import prompt_tokens
from harness.extraction.pipeline.budget import seconds_of
from harness.extraction.pipeline.calibration import IDENTITY
from harness.extraction.pipeline.course import course
from harness.extraction.pipeline.settings import Seconds, Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls, tokens and, by a time model, seconds (else None) of one company; requests that repeat one are
    not in it.

    `calls` is exact when `is_exact`. Otherwise it is what is asked when no value is found (each one found
    ends a search), and `most_calls` is what the budget allows, None when it sets no limit. `assumption` says
    in words on what all this rests.
    """

    calls: int
    is_exact: bool
    most_calls: int | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float | None
    assumption: str


def plan(
    company: Company,
    reader: Reader,
    settings: Settings | None = None,
    *,
    facilities: int = 2,
    seconds: Seconds | None = None,
) -> Plan:
    """Go through the company's reading without a reader's answers, as if it had so many facilities.

    Asks nothing of the reader but the number of calls and tokens. Answers are counted at their longest.
    Raises HarnessError as `extract` does.
    """
    settings = settings or Settings()
    asked = _asked(company, reader, settings, facilities, seconds)
    is_exact = not settings.adaptive and settings.budget_calls is None and settings.budget_minutes is None
    named = f"{facilities} facilities, found by the first {settings.detection_calls} calls"
    assumption = f"{named}; prompts and answers at their longest{'' if is_exact else '; no value is found'}"
    return Plan(
        sum(reply.calls for reply in asked),
        is_exact,
        settings.budget_calls,
        sum(reply.prompt_tokens for reply in asked),
        sum(reply.completion_tokens for reply in asked),
        None if seconds is None else sum(seconds_of(reply, seconds) for reply in asked),
        assumption,
    )


def _asked(
    company: Company, reader: Reader, settings: Settings, facilities: int, seconds: Seconds | None
) -> list[Reply]:
    """What everything costs that is asked when detection names so many facilities and nothing is found."""
    named = tuple(Facility(f"Facility {chr(ord('A') + number)}") for number in range(facilities))
    costs: list[Reply] = []
    reading = course(company, reader, settings, seconds, IDENTITY)
    try:
        asks = next(reading)
        while True:
            replies = [_empty(ask, named, reader) for ask in asks]
            costs += replies
            asks = reading.send(replies)
    except StopIteration:
        return costs


def _empty(ask: Ask, named: Sequence[Facility], reader: Reader) -> Reply:
    """Nothing found, at the longest that prompt and answer may be."""
    calls = reader.calls(ask)
    shown = sum(reader.tokens(ask.company.text[each.start : each.end]) for each in ask.passages)
    return Reply(
        facilities=tuple(named) if ask.stage == "detection" else (),
        calls=calls,
        prompt_tokens=calls * prompt_tokens(ask, shown),
        completion_tokens=calls * ask.output_tokens,
    )
