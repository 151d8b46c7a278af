"""Fixed token windows over a text, as the documented pipeline cuts it: no regard for sentences or tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.extraction.asks import Passage

TokenSpans = Callable[[str], Sequence[tuple[int, int]]]
"""The tokens of a text as its character spans (start, end), in order. Tokens may share a character."""

SIZE = 2000
OVERLAP = 400


def four_characters(text: str) -> list[tuple[int, int]]:
    """The documented stand-in for a tokenizer: four characters are a token."""
    return [(start, min(start + 4, len(text))) for start in range(0, len(text), 4)]


def tokenizer_spans(file: Path) -> TokenSpans:
    """Tokens as a checkpoint's tokenizer.json makes them, nothing added. HarnessError if it is none."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises nothing narrower
        raise HarnessError(f"is no tokenizer: {error}", where=str(file)) from None

    def spans(text: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = tokenizer.encode(text, add_special_tokens=False).offsets
        return found

    return spans


def window_count(tokens: int, size: int = SIZE, overlap: int = OVERLAP) -> int:
    """How many windows so many tokens make: 0 for none, 1 up to `size`, then one for each stride begun."""
    _refuse(size, overlap)
    if tokens <= size:
        return min(tokens, 1)
    return 1 + -(-(tokens - size) // (size - overlap))


def token_windows(
    text: str, spans: TokenSpans, size: int = SIZE, overlap: int = OVERLAP
) -> tuple[Passage, ...]:
    """Windows of `size` tokens, each beginning `size - overlap` tokens after the one before.

    Every character is in a window: what lies between two tokens belongs to the first of them. The text is
    tokenized once, so the time is linear. Raises HarnessError for an overlap no shorter than a window.
    """
    count = window_count(len(found := spans(text)), size, overlap)
    stride = size - overlap
    return tuple(_window(text, found, first, first + size) for first in range(0, count * stride, stride))


def _window(text: str, spans: Sequence[tuple[int, int]], first: int, end: int) -> Passage:
    start = spans[first][0] if first else 0
    if end >= len(spans):
        return Passage(start, len(text))
    # a character of several tokens is not cut in two
    return Passage(start, max(spans[end][0], spans[end - 1][1]))


def _refuse(size: int, overlap: int) -> None:
    if not 0 <= overlap < size:
        raise HarnessError(
            f"windows of {size} tokens that overlap by {overlap}", allowed="0 <= overlap < window size"
        )
