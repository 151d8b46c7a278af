"""Where a quote stands in what was shown: a span of the text, or nowhere. Nothing is guessed.

The names of the alignments are langextract's: exact, lesser and greater; its fuzzy one is not made here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.extraction.asks import Ask, Passage
from harness.extraction.reading.shown import neutral, runs

Alignment = Literal["exact", "lesser", "greater", "none"]
Shown = tuple[tuple[int, str], ...]
"""Stretches of a text that were shown: where each begins, and its characters as they were shown."""

_MOST_CHARACTERS = 2000
_MOST_ELIDED = 600
_LEAST_PART = 4
_ELISION = re.compile(r"\s*(?:\.{3,}|…|\[\s*(?:\.{3,}|…)\s*\])\s*")
_AROUND = " \t\n\"'`“”‘’«»„.,;:()[]"


@dataclass(frozen=True, slots=True)
class Grounded:
    """`span` of the company's text is what the quote quotes.

    "exact": the quote stands there, but for white space and case. "lesser": without the signs around it.
    "greater": its parts stand there, in order, with what it elides between them. "none": `span` is None.
    """

    alignment: Alignment
    span: Passage | None = None


NOWHERE = Grounded("none")


def shown(ask: Ask) -> Shown:
    """What an ask shows. Passages that touch are one stretch, so a quote may reach over their border."""
    text = ask.company.text
    return tuple((each.start, neutral(text[each.start : each.end])) for each in runs(ask.passages))


def ground(shown: Shown, quote: str) -> Grounded:
    """The first place, in the order of the text, where the quote stands in what was shown."""
    quote = neutral(quote[:_MOST_CHARACTERS]).strip()
    if not quote:
        return NOWHERE
    if (span := _first(shown, quote)) is not None:
        return Grounded("exact", span)
    bare = quote.strip(_AROUND)
    if bare and bare != quote and (span := _first(shown, bare)) is not None:
        return Grounded("lesser", span)
    parts = [part.strip(_AROUND) for part in _ELISION.split(quote)]
    parts = [part for part in parts if part]
    if len(parts) > 1 and all(len(part) >= _LEAST_PART for part in parts):
        patterns = [_pattern(part, re.IGNORECASE) for part in parts]
        for start, body in shown:
            if (span := _elided(start, body, patterns)) is not None:
                return Grounded("greater", span)
    return NOWHERE


def _pattern(quote: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    return re.compile(r"\s+".join(re.escape(word) for word in quote.split()), flags)


def _first(shown: Shown, quote: str) -> Passage | None:
    """The same case anywhere comes before another case."""
    for flags in (re.NOFLAG, re.IGNORECASE):
        pattern = _pattern(quote, flags)
        for start, body in shown:
            if (match := pattern.search(body)) is not None:
                return Passage(start + match.start(), start + match.end())
    return None


def _elided(start: int, body: str, patterns: Sequence[re.Pattern[str]]) -> Passage | None:
    """From the first part to the last, each the next one after the part before it, and not far from it."""
    for first in patterns[0].finditer(body):
        at = first.end()
        for pattern in patterns[1:]:
            match = pattern.search(body, at, at + _MOST_ELIDED)
            if match is None:
                break
            at = match.end()
        else:
            return Passage(start + first.start(), start + at)
    return None
