"""Bytes to text: which encoding a text file is in."""

from __future__ import annotations

import codecs

from harness.extraction.documents.report import UnreadableError

_MARKS = (
    # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHERS = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP or Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
)
_SAMPLE = 65_536
_FALLBACK = "cp1252"


def decoded(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and notes on what was not plain UTF-8.

    A byte order mark decides; else UTF-16 where every other byte is 0; else UTF-8; else Windows-1252. Where
    some lines are UTF-8 and others are not, each is decoded by itself and that is noted. Bytes that stand for
    nothing become U+FFFD and are counted. Raises UnreadableError for what is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _noted(data[len(mark) :], encoding)
    for start, kind in _OTHERS:
        if data.startswith(start):
            raise UnreadableError(f"is {kind} by its content; rename it")
    if b"\0" in data[:_SAMPLE]:
        return _noted(data, _wide(data[:_SAMPLE]))
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _by_line(data)


def _wide(sample: bytes) -> str:
    """The UTF-16 without a mark that a sample with zero bytes is in."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd * 4 >= len(sample) // 2 > 0 and even * 10 <= odd:
        return "utf-16-le"
    if even * 4 >= len(sample) // 2 > 0 and odd * 10 <= even:
        return "utf-16-be"
    raise UnreadableError("is no text: it has zero bytes")


def _noted(data: bytes, encoding: str) -> tuple[str, tuple[str, ...]]:
    text = data.decode(encoding, errors="replace")
    notes = () if encoding == "utf-8" else (f"encoding {encoding}",)
    return text, (*notes, *_lost(text.count("�") - _count_mark(data, encoding)))


def _by_line(data: bytes) -> tuple[str, tuple[str, ...]]:
    texts, foreign, in_utf8, lost = [], [], 0, 0
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
            in_utf8 += not line.isascii()
        except UnicodeDecodeError:
            text = line.decode(_FALLBACK, errors="replace")
            lost += text.count("�")
            foreign.append(number)
        texts.append(text)
    what = f"encoding {_FALLBACK}"
    if in_utf8:
        what = f"mixed encodings: {in_utf8:,} lines in utf-8, {len(foreign):,} in {_FALLBACK}"
        what += f", the first in line {foreign[0]:,}"
    return "\n".join(texts), (what, *_lost(lost))


def _count_mark(data: bytes, encoding: str) -> int:
    """How many U+FFFD the file itself has."""
    return data.decode(encoding, errors="ignore").count("�")


def _lost(characters: int) -> tuple[str, ...]:
    return (f"{characters:,} characters could not be decoded",) if characters > 0 else ()
