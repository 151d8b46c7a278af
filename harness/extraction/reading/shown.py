"""The passages of an ask as a prompt shows them: delimited, every character where it stands in the text.

What a document could pass off as ours (delimiters, numbers of lines, tokens of a chat template) is replaced
one character by one, so an offset in what is shown is an offset in the company's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.extraction.asks import Ask, Passage

OPENING, CLOSING = "<<<DOCUMENT", "DOCUMENT>>>"
_FULL_LINE = 80
_LONGEST_LINE = 320
# signs that other programs take for line breaks, and controls
_BREAKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_ANGLES = re.compile(r"<(?=[|/!<a-zA-Z])|(?<=[|/>\w])>")
_ANGLE = {"<": "‹", ">": "›"}
_BRACKETS = re.compile(r"\[(?=/?(?:INST|SYS)\b)", re.IGNORECASE)
_BAR_NUMBER = re.compile(r"(?m)^([ \t]*[\[(]?\d+[\])]?[ \t]*)\|")
_QUESTION = re.compile(r"(?m)^([ \t]*Field):")


def neutral(text: str) -> str:
    """The text with its look-alikes of our own marks replaced; as long as before."""
    text = _BREAKS.sub(" ", text)
    text = _ANGLES.sub(lambda match: _ANGLE[match.group()], text)
    text = _BRACKETS.sub("(", text)
    text = _BAR_NUMBER.sub(lambda match: f"{match.group(1)}¦", text)
    return _QUESTION.sub(lambda match: f"{match.group(1)};", text)


def shown_text(ask: Ask) -> str:
    """All passages, in the ask's order, each after a blank line."""
    text = ask.company.text
    return "\n\n".join(neutral(text[each.start : each.end]).strip("\n") for each in ask.passages)


def delimited(body: str) -> str:
    """A document between our delimiters."""
    return f"{OPENING}\n{body}\n{CLOSING}"


@dataclass(frozen=True, slots=True)
class Line:
    """A numbered stretch of the shown text: one or more lines of the document, or a part of a long one."""

    number: int
    span: Passage


def lines_of(ask: Ask) -> tuple[Line, ...]:
    """The passages in stretches of about a line each, numbered from 1 in the order shown; blank ones have no
    number. Short lines share one with those that follow, so that numbers take little of the prompt."""
    spans = [span for passage in ask.passages for span in _stretches(ask.company.text, passage)]
    return tuple(Line(number, span) for number, span in enumerate(spans, 1))


def numbered(ask: Ask, lines: Sequence[Line]) -> str:
    """The stretches, each after its number and a bar."""
    text = ask.company.text
    return "\n".join(f"{line.number}|{neutral(text[line.span.start : line.span.end])}" for line in lines)


def _stretches(text: str, passage: Passage) -> Iterator[Passage]:
    first: int | None = None
    last = passage.start
    for start, end in _lines(text, passage):
        if first is not None and (end - first > _LONGEST_LINE or last - first >= _FULL_LINE):
            yield Passage(first, last)
            first = None
        if first is None:
            first = start
        last = end
    if first is not None:
        yield Passage(first, last)


def _lines(text: str, passage: Passage) -> Iterator[tuple[int, int]]:
    """The document's lines without the white space around them; of a long line parts that end at a blank."""
    for match in re.compile(r"[^\n]*\S[^\n]*").finditer(text, passage.start, passage.end):
        start, end = match.span()
        while text[start].isspace():
            start += 1
        while text[end - 1].isspace():
            end -= 1
        while end - start > _LONGEST_LINE:
            cut = text.rfind(" ", start + _LONGEST_LINE // 2, start + _LONGEST_LINE)
            cut = start + _LONGEST_LINE if cut < 0 else cut
            yield start, cut
            start = cut + 1 if text[cut] == " " else cut
        if start < end:
            yield start, end


def runs(passages: Sequence[Passage]) -> list[Passage]:
    """The characters shown as stretches that do not touch each other, in the order of the text."""
    joined: list[Passage] = []
    for passage in sorted(passages):
        if joined and passage.start <= joined[-1].end:
            joined[-1] = Passage(joined[-1].start, max(joined[-1].end, passage.end))
        else:
            joined.append(passage)
    return joined
