"""The words that texts and queries are compared by."""

from __future__ import annotations

import re
import unicodedata

# a number with its separators and its unit, or a word, which an ampersand may hold together
_WORD = re.compile(r"\d+(?:[.,]\d+)*(?:\s?%|[^\W\d_]+)?|[^\W\d_][^\W_]*(?:&[^\W_]+)*")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_DOCUMENTED = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Lower-case words in order: `1.20x`, `2.5%` (also for `2.5 %`), `d&c`, `crédit` are one word each.

    Unicode forms of one character are one (NFKC), so the ligatures of PDF files match; a possessive 's is
    dropped; hyphens and slashes part words.
    """
    text = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).lower())
    return ["".join(word.split()) for word in _WORD.findall(text)]


def documented_words(text: str) -> list[str]:
    """Runs of a-z and 0-9 of the lower-case text, as the documented pipeline has them."""
    return _DOCUMENTED.findall(text.lower())
