"""Asks of a generated company to the embedded model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from harness.extraction.asks import Ask, Passage, Reply
from harness.extraction.reading.opening import Choice, open_reader
from harness.extraction.reading.reader import ModelReader
from harness.extraction.schema.fields import FIELDS
from harness.extraction.trials.companies import Setting, truths

WINDOW_CHARACTERS = 1_200
FIELDS_ASKED = 8


@cache
def asks(count: int) -> tuple[Ask, ...]:
    """Windows of one company, each asked for the same fields."""
    company = truths(Setting(family="report", count=1, tokens=20_000))[0].company
    starts = range(0, WINDOW_CHARACTERS * count, WINDOW_CHARACTERS)
    keys = tuple(FIELDS)[:FIELDS_ASKED]
    return tuple(
        Ask(company, "window", keys, (Passage(start, start + WINDOW_CHARACTERS),), output_tokens=96)
        for start in starts
    )


@contextmanager
def open_embedded(threads: int) -> Iterator[ModelReader]:
    """The embedded model with so many places, without a cache."""
    with open_reader(Choice(), threads=threads) as opening:
        yield opening.reader()


def answered(asked: Sequence[Ask], reader: ModelReader) -> list[Reply]:
    """All replies."""
    return reader.answers(asked)


def other_answers(first: Sequence[Reply], second: Sequence[Reply]) -> list[float]:
    """For each ask whether the values that were found differ; batches round in another order."""

    def found(reply: Reply) -> list[tuple[str, str]]:
        return sorted((each.field, each.value) for each in reply.found)

    return [float(found(a) != found(b)) for a, b in zip(first, second, strict=True)]
