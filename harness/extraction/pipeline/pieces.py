"""A company's text in pieces of whole lines: what passages are put together from, and what demand falls on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.extraction.asks import Passage
from harness.extraction.company import Company

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces in the order of the text, none over the border of two documents.

    `tokens` and `documents` (the number of its document) belong to each; `text` is never empty. Blank pieces
    are left out.
    """

    spans: tuple[Passage, ...]
    tokens: tuple[int, ...]
    documents: tuple[int, ...]

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
    """Pieces of at most `size` tokens, as `tokens` counts single lines. A piece ends at a blank line when it
    is half full, else where the next line does not fit; a line that is longer is cut between words."""
    spans, counts, documents = [], [], []
    text = company.text
    for number, (document, start) in enumerate(zip(company.documents, company.starts, strict=True)):
        for span, count in _packed(text, start, start + len(document.text), tokens, size):
            if text[span.start : span.end].strip():
                spans.append(span)
                counts.append(count)
                documents.append(number)
    return Pieces(tuple(spans), tuple(counts), tuple(documents))


def _packed(
    text: str, start: int, end: int, tokens: Callable[[str], int], size: int
) -> Iterator[tuple[Passage, int]]:
    first, held, at = start, 0, start
    for line_end, count in _lines(text, start, end, tokens, size):
        is_blank = not text[at:line_end].strip()
        if held and (held + count > size or (is_blank and 2 * held >= size)):
            yield Passage(first, at), held
            first, held = at, 0
        held += count
        at = line_end
    if at > first:
        yield Passage(first, at), held


def _lines(
    text: str, start: int, end: int, tokens: Callable[[str], int], size: int
) -> Iterator[tuple[int, int]]:
    """Where each line ends and how many tokens it has; of a line that is too long the parts."""
    for line in _LINE.finditer(text, start, end):
        count = tokens(line.group())
        if count <= size:
            yield line.end(), count
        else:
            yield from _parts(text, line.start(), line.end(), count, size)


def _parts(text: str, start: int, end: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    """A long line in parts of about equally many characters, none longer than its share of `size` tokens."""
    share = max(1, (end - start) * size // count)
    borders, last = [start], start
    for word in _WORD.finditer(text, start, end):
        while word.end() - last > share:
            last = word.start() if word.start() > last else min(last + share, word.end())
            borders.append(last)
    if borders[-1] < end:
        borders.append(end)
    for one, two in pairwise(borders):
        yield two, max(1, count * (two - one) // (end - start))
