"""A company's text in small sections: what passages consist of, and what demand falls on."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import maxsize

from harness.extraction.asks import Passage
from harness.extraction.company import Company
from harness.extraction.sections import section_chunks, titled

_BLANK_BEFORE = re.compile(r"(?:\n[ \t]*\n|\f)\s*\Z")
_BLANK_AFTER = re.compile(r"[ \t]*[\n\f]")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces in the order of the text, none over the border of two documents.

    `tokens`, `documents` (the number of its document) and `titled` (its text under its headings, for
    retrieval) belong to each.
    """

    spans: tuple[Passage, ...]
    tokens: tuple[int, ...]
    documents: tuple[int, ...]
    titled: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.spans)

    def passages(self, chosen: Sequence[int]) -> tuple[Passage, ...]:
        """The chosen pieces in the order of the text, neighbours of one document joined."""
        joined: list[Passage] = []
        last = None
        for number in sorted(chosen):
            span = self.spans[number]
            if last is not None and number == last + 1 and self.documents[number] == self.documents[last]:
                joined[-1] = Passage(joined[-1].start, span.end)
            else:
                joined.append(span)
            last = number
        return tuple(joined)

    def touched(self, spans: Sequence[Passage]) -> list[int]:
        """The pieces that share characters with one of the spans."""
        found: dict[int, None] = {}
        for span in spans:
            first = max(0, bisect_right(self.spans, Passage(span.start, maxsize)) - 1)
            for number in range(first, len(self)):
                if self.spans[number].start >= span.end:
                    break
                if self.spans[number].end > span.start:
                    found[number] = None
        return sorted(found)

    def windows(self, size: int, overlap: int = 0) -> tuple[tuple[int, int], ...]:
        """Runs of pieces (first, one after the last), each as long as `size` tokens allow, at least one
        piece; a run begins with up to `overlap` tokens of the one before. Together they are all pieces."""
        runs: list[tuple[int, int]] = []
        first = 0
        while first < len(self):
            end, held = first, 0
            while end < len(self) and (end == first or held + self.tokens[end] <= size):
                held += self.tokens[end]
                end += 1
            runs.append((first, end))
            if end == len(self):
                break
            again, kept = end, 0
            while again - 1 > first and kept + self.tokens[again - 1] <= overlap:
                again -= 1
                kept += self.tokens[again]
            first = again
        return tuple(runs)


def pieces(company: Company, tokens: Callable[[str], int], size: int, most: int) -> Pieces:
    """Sections of at most `size` tokens, as `tokens` counts single lines; blank ones are left out.

    Two that are cut where no blank line is, as a table from its title, are one piece where that has at most
    `most` tokens.
    """
    text = company.text
    starts = company.starts
    kept: list[tuple[Passage, int, int, str]] = []
    for section in section_chunks(company, tokens, size):
        span = section.passage
        if not text[span.start : span.end].strip():
            continue
        count = max(1, tokens(text[span.start : span.end]))
        document = bisect_right(starts, span.start) - 1
        if kept:
            before, held, other, title = kept[-1]
            is_cut = other == document and before.end == span.start and not _ends_block(text, span.start)
            if is_cut and held + count <= most:
                whole = Passage(before.start, span.end)
                kept[-1] = (whole, held + count, document, title + text[span.start : span.end])
                continue
        kept.append((span, count, document, titled(company, section)))
    return Pieces(
        tuple(span for span, _, _, _ in kept),
        tuple(count for _, count, _, _ in kept),
        tuple(document for _, _, document, _ in kept),
        tuple(title for _, _, _, title in kept),
    )


def _ends_block(text: str, at: int) -> bool:
    """Whether a blank line, or a page's end, stands before or after."""
    return bool(_BLANK_BEFORE.search(text, max(0, at - 80), at) or _BLANK_AFTER.match(text, at))
