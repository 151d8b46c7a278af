"""What happened to a reader's answers, for reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from harness.extraction.reading.grounding import Alignment


@dataclass(frozen=True, slots=True)
class ReaderCounts:
    """What happened to the answers of a reader so far.

    `requests` were answered, `asked_again` of them repeat one. `unreadable` asks had no answer that could be
    read, `cut` answers were used up to where they end, `too_long` prompts were not sent. `complaints` are
    records and keys left out. Quotes are counted by how they stand in the text; those of `none` are no
    evidence. `detected` asks for facilities were answered by regular expressions.
    """

    requests: int = 0
    asked_again: int = 0
    unreadable: int = 0
    cut: int = 0
    too_long: int = 0
    complaints: int = 0
    detected: int = 0
    quotes: Mapping[Alignment, int] = field(default_factory=dict)

    def plus(self, other: ReaderCounts) -> ReaderCounts:
        """Both together."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        quotes = {
            alignment: self.quotes.get(alignment, 0) + other.quotes.get(alignment, 0)
            for alignment in sorted({*self.quotes, *other.quotes})
        }
        return ReaderCounts(**sums, quotes=quotes)

    def notes(self, name: str, context_tokens: int) -> tuple[str, ...]:
        """Lines about a reader of that name and context: what it did otherwise than asked."""
        lines = {
            f"{name} cannot be asked which facilities there are: they were found by regular expressions for "
            "names of loans and amounts": self.detected,
            f"{self.cut} answers were cut; their whole records were used": self.cut,
            f"{self.too_long} prompts did not fit into {context_tokens:,} tokens": self.too_long,
            f"{self.unreadable} asks had no answer that could be read": self.unreadable,
            f"{self.complaints} records or keys of answers were none, and were left out": self.complaints,
        }
        return tuple(line for line, count in lines.items() if count)


_COUNTS = tuple(each.name for each in fields(ReaderCounts) if each.name != "quotes")
