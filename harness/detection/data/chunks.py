"""Chunks of a response: whole sentences, joined up to a length, as ranges of its tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_CHARACTERS = 400
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?]+[\s\"')]*|\n+|$)")


def text_chunks(text: str, longest: int = LONGEST_CHARACTERS) -> list[tuple[int, int]]:
    """Character ranges [start, end) that cover the text; longer sentences are cut at blanks."""
    pieces = [match.span() for match in _SENTENCE.finditer(text) if match.group()]
    chunks: list[tuple[int, int]] = []
    for start, end in (part for piece in pieces for part in _cut(text, *piece, longest)):
        if chunks and end - chunks[-1][0] <= longest:
            chunks[-1] = (chunks[-1][0], end)
        else:
            chunks.append((start, end))
    return chunks


def response_chunks(
    text: str, spans: Sequence[tuple[int, int]], longest: int = LONGEST_CHARACTERS
) -> tuple[tuple[int, int], ...]:
    """Token ranges of the chunks, given each token's characters; every token is in one, and none is empty."""
    ends = [end for _, end in text_chunks(text, longest)]
    found: list[tuple[int, int]] = []
    start = 0
    for number, end in enumerate(ends):
        stop = start
        while stop < len(spans) and (spans[stop][0] < end or number == len(ends) - 1):
            stop += 1
        if stop > start:
            found.append((start, stop))
        start = stop
    return tuple(found)


def _cut(text: str, start: int, end: int, longest: int) -> list[tuple[int, int]]:
    parts = []
    while end - start > longest:
        blank = text.rfind(" ", start + 1, start + longest)
        at = blank + 1 if blank > start else start + longest
        parts.append((start, at))
        start = at
    return [*parts, (start, end)]
