"""A company's text in small sections: what passages consist of, and what demand falls on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.extraction.asks import Passage
from harness.extraction.company import Company
from harness.extraction.sections import section_chunks, titled


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


def pieces(company: Company, tokens: Callable[[str], int], size: int) -> Pieces:
    """Sections of at most `size` tokens, as `tokens` counts single lines; blank ones are left out."""
    text = company.text
    starts = company.starts
    kept = [
        section
        for section in section_chunks(company, tokens, size)
        if text[section.passage.start : section.passage.end].strip()
    ]
    spans = tuple(section.passage for section in kept)
    return Pieces(
        spans,
        tuple(max(1, tokens(text[span.start : span.end])) for span in spans),
        tuple(sum(start <= span.start for start in starts) - 1 for span in spans),
        tuple(titled(company, section) for section in kept),
    )
