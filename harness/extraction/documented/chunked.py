"""A company's text in overlapping chunks, and windows of consecutive chunks: what passes show."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.extraction.asks import Passage
from harness.extraction.chunks import TokenSpans, token_windows
from harness.extraction.company import Company
from harness.extraction.documented.settings import Settings

_TELLING = 300
"""Characters by which the documented pipeline tells chunks apart."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """The chunks of a company in the order of its text. Tokens are those that `spans` makes of it."""

    company: Company
    chunks: tuple[Passage, ...]
    texts: tuple[str, ...]
    token_starts: tuple[int, ...]
    token_ends: tuple[int, ...]

    def text(self, passage: Passage) -> str:
        """The characters of a passage."""
        return self.company.text[passage.start : passage.end]

    def tokens(self, passage: Passage) -> int:
        """Tokens that begin in a passage."""
        return bisect_left(self.token_starts, passage.end) - bisect_left(self.token_starts, passage.start)

    def cut(self, passages: Sequence[Passage], limit: int) -> tuple[Passage, ...]:
        """As many of the passages as `limit` tokens allow, the last one cut on the right."""
        kept: list[Passage] = []
        for passage in passages:
            tokens = self.tokens(passage)
            if tokens > limit:
                if limit > 0:
                    first = bisect_left(self.token_starts, passage.start)
                    kept.append(Passage(passage.start, self.token_ends[first + limit - 1]))
                break
            kept.append(passage)
            limit -= tokens
        return tuple(kept)


def chunked(company: Company, settings: Settings, spans: TokenSpans) -> Chunked:
    """Windows of `chunk_tokens` that overlap by `overlap_tokens`, with no regard for sentences or files."""
    found = spans(company.text)
    chunks = token_windows(company.text, spans, size=settings.chunk_tokens, overlap=settings.overlap_tokens)
    texts = tuple(company.text[chunk.start : chunk.end] for chunk in chunks)
    return Chunked(
        company, tuple(chunks), texts, tuple(start for start, _ in found), tuple(end for _, end in found)
    )


def windows(chunks: int, size: int) -> list[range]:
    """Consecutive windows of `size` chunks, from chunk 0, the last one shorter."""
    return [range(first, min(first + size, chunks)) for first in range(0, chunks, size)]


def section_candidates(texts: Sequence[str], retrieved: Collection[int], size: int) -> list[range]:
    """The windows that section passes read, in document order: a cap takes the first of them.

    So the candidates of a lower cap are among those of a higher one. A window is skipped when each of its
    chunks begins with the same 300 characters as one that retrieval brought.
    """
    covered = {texts[number][:_TELLING] for number in retrieved}
    return [
        window
        for window in windows(len(texts), size)
        if not all(texts[number][:_TELLING] in covered for number in window)
    ]
