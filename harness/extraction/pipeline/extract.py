"""Many companies at once: the asks that are ready in all of them go to the reader together."""

from __future__ import annotations

from collections.abc import Sequence

from harness.extraction.asks import Ask, Reader, Reply
from harness.extraction.company import Company
from harness.extraction.pipeline.calibration import Calibration, read_calibration
from harness.extraction.pipeline.course import Course, course
from harness.extraction.pipeline.settings import Seconds, Settings
from harness.extraction.result import CompanyResult


def extract(
    companies: Sequence[Company],
    reader: Reader,
    settings: Settings | None = None,
    *,
    seconds: Seconds | None = None,
    calibration: Calibration | None = None,
) -> list[CompanyResult]:
    """One result for each company, in their order.

    Each company has a budget of its own, and its asks and result are those that it has alone. `seconds` is
    the time model of a budget in minutes; without `calibration` the shipped one is taken. Raises HarnessError
    for a budget in minutes without a time model, EngineFailure when the reader's engine fails: what was
    answered is kept by its journal, and the same call goes on there.
    """
    settings = settings or Settings()
    calibration = calibration or read_calibration()
    # one order whatever order they came in, so that a batch is the same too
    order = sorted(
        range(len(companies)), key=lambda number: (companies[number].name, companies[number].digest)
    )
    results: dict[int, CompanyResult] = {}
    waiting: dict[int, tuple[Course, list[Ask]]] = {}
    for number in order:
        reading = course(companies[number], reader, settings, seconds, calibration)
        _go_on(number, reading, None, waiting, results)
    while waiting:
        batch = [ask for _, asks in waiting.values() for ask in asks]
        replies = iter(reader.answers(batch))
        open_courses, waiting = waiting, {}
        for number, (reading, asks) in open_courses.items():
            _go_on(number, reading, [next(replies) for _ in asks], waiting, results)
    return [results[number] for number in range(len(companies))]


def _go_on(
    number: int,
    reading: Course,
    replies: list[Reply] | None,
    waiting: dict[int, tuple[Course, list[Ask]]],
    results: dict[int, CompanyResult],
) -> None:
    """Hand a company its replies (None at the start): it has its next asks waiting, or its result."""
    try:
        asks = next(reading) if replies is None else reading.send(replies)
        waiting[number] = (reading, asks)
    except StopIteration as end:
        results[number] = end.value
