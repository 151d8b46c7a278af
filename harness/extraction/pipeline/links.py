"""Which pieces of a text refer to each other: they share a defined term, or the number of an item.

"The Margin is the Applicable Rate" gives nothing without the place that says what the Applicable Rate is. The
two share a capitalised expression that few others have; the rarest ones tell most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_RUN = re.compile(r"[A-Z][\w'’-]*(?:[ \t]+(?:(?:of|and|for|to)[ \t]+)?(?:[A-Z][\w'’-]*|\d+(?:\.\d+)*))*")
_DEFINED = re.compile(r"[\"“„«]([^\"”“»\n]{3,60})[\"”“»]")
_MOST_WORDS = 6
_FEW = 5
"""An expression that more pieces share than this refers to no one of them."""


class Links:
    """Links between pieces of these texts.

    Of what shares an expression with a piece, defined terms (quoted somewhere) come first, then the rarest
    expression, then the earliest piece.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        holders: dict[str, list[int]] = {}
        defined: set[str] = set()
        for number, text in enumerate(texts):
            defined.update(" ".join(match.group(1).split()) for match in _DEFINED.finditer(text))
            for label in dict.fromkeys(_labels(text)):
                holders.setdefault(label, []).append(number)
        self._rare = {
            label: (label not in defined, tuple(held))
            for label, held in holders.items()
            if 2 <= len(held) <= _FEW
        }
        self._texts = texts

    def of_piece(self, piece: int, most: int = 4) -> tuple[int, ...]:
        """Up to `most` others that share a rare expression with it."""
        return tuple(other for other in self.of_text(self._texts[piece]) if other != piece)[:most]

    def of_text(self, text: str, few: int = _FEW) -> tuple[int, ...]:
        """The pieces that have a rare expression of this text, which is a part of one of them: a defined
        term, or another that at most `few` pieces have."""
        found: dict[int, tuple[bool, int]] = {}
        for label in _labels(text):
            is_plain, held = self._rare.get(label, (False, ()))
            if is_plain and len(held) > few:
                continue
            for piece in held:
                rank = (is_plain, len(held))
                found[piece] = min(rank, found.get(piece, rank))
        return tuple(sorted(found, key=lambda piece: (found[piece], piece)))


def _labels(text: str) -> Iterator[str]:
    """Capitalised expressions of two words and more, and the parts of longer ones that may be one."""
    for match in _RUN.finditer(text):
        run = match.group().split()
        for first in range(len(run)):
            if not run[first][0].isupper():
                continue
            for end in range(first + 2, min(len(run), first + _MOST_WORDS) + 1):
                if run[end - 1][0].isupper() or run[end - 1][0].isdigit():
                    yield " ".join(run[first:end])
