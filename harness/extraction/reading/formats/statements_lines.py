"""The passages of an ask as lines of one statement each: sentences, rows, tables with their heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.extraction.asks import Ask, Passage
from harness.extraction.reading.shown import neutral

_LINE = re.compile(r"[^\n]*\S[^\n]*")
_ENUMERATOR = re.compile(
    r"\s*(?:\d{1,3}(?:\.\d{1,3})+\.?|\d{1,3}[.)]|\((?:[a-z]{1,2}|[ivx]{1,5}|\d{1,2})\))\s+"
)
# the dot of an ordinal, as in "am 31. Juli", ends nothing
_SENTENCE_END = re.compile(r"(?<=[\w)\]”\"%][\w)\]”\"%][.;])(?<! \d\d\.)[ \t]+(?=[A-Z“\"\[])")
_DATE = (
    r"(?:\d{1,2}[.\s/-]{1,2}(?:[A-Za-z]+|\d{1,2})[.\s/-]{1,2}\d{4}|\d{4}-\d\d-\d\d"
    r"|[A-Za-z]+ \d{1,2}, \d{4}|[A-Za-z]+ \d{4})"
)
_ROW = re.compile(rf"\s*{_DATE}\s*[\t:|–—-]+\s*\d+(?:[.,]\d+)?\s*(?:%|per\s?cent)\s*")
_LETTER = re.compile(r"[^\W\d_]")
_BLANK = re.compile(r"_{4,}|\.{5,}|\[[●•]\]")
_LETTER_HEAD = re.compile(r"\s*(?:from|to|cc|sent(?: by| to)?|subject|re|attention)\s*:", re.IGNORECASE)
_LONGEST = 360


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a prompt. `span` is where it stands in the company's text, the `rows` of its table with it;
    `text` is what is shown."""

    span: Passage
    text: str
    rows: tuple[str, ...] = ()


def lines_of(ask: Ask) -> tuple[Line, ...]:
    """The lines of the ask's passages, in the order shown, without the numbers of their clauses.

    Rows of dates and shares belong to the line before them, of which a prompt shows the first only. Lines
    without a letter, blanks of forms and heads of letters state nothing and are left out.
    """
    text = ask.company.text
    found: list[Line] = []
    for passage in ask.passages:
        is_first = True
        for span in _stretches(text, passage):
            row = text[span.start : span.end]
            if _ROW.fullmatch(row) and not is_first:
                found[-1] = _with_row(found[-1], span, row)
            elif _LETTER.search(row) and not _BLANK.search(row) and not _LETTER_HEAD.match(row):
                is_first = False
                found.append(Line(span, neutral(row)))
    return tuple(found)


def _with_row(line: Line, span: Passage, row: str) -> Line:
    shown = line.text if line.rows else f"{line.text} {neutral(row).strip()} ..."
    return Line(Passage(line.span.start, span.end), shown, (*line.rows, row.strip()))


def _stretches(text: str, passage: Passage) -> Iterator[Passage]:
    """Sentences and rows without white space around them or the number of their clause."""
    for line in _LINE.finditer(text, passage.start, passage.end):
        start = line.start()
        number = _ENUMERATOR.match(text, start, line.end())
        if number is not None:
            start = number.end()
        ends = [end.span() for end in _SENTENCE_END.finditer(text, start, line.end())]
        for begin, end in zip(
            [start, *(after for _, after in ends)], [*(end for end, _ in ends), line.end()], strict=True
        ):
            yield from _short(text, begin, end)


def _short(text: str, start: int, end: int) -> Iterator[Passage]:
    """Of a sentence too long for a line parts that end at a blank."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > _LONGEST:
        cut = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST)
        cut = start + _LONGEST if cut < 0 else cut
        yield Passage(start, cut)
        start = cut + (text[cut] == " ")
    if start < end:
        yield Passage(start, end)
