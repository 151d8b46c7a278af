"""What the lines of a loan document are: headings and clauses with their level, rows of tables, or text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "item", "row", "text", "blank"]

_TITLE_CHARACTERS = 100
_LABEL_CHARACTERS = 80
_BARE_CHARACTERS = 60
_NUMBERED = 7
_ITEM = 20

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_MARKDOWN = re.compile(r"(#{1,6})\s+\S")
_NAMED = re.compile(
    r"(schedule|annex|appendix|exhibit|part|chapter|article|section|clause)\s+[\dA-Z]+\b", re.I
)
_NUMBER = re.compile(r"(\d{1,3}(?:\.\d{1,3})*)(\.?)\s+\S")
_LISTED = re.compile(r"\((?:[a-z]{1,2}|[ivxl]{1,5}|\d{1,2})\)\s+\S", re.I)
_CONTENTS = re.compile(r"(?:table of )?contents\W*", re.I)
_PAGE = re.compile(r"\d{1,4}$")
_NAME = re.compile(r"\W+")
_CELLS = re.compile(r"\s\|\s|^\||\|$|\S\t+\S|\S {3,}\S.* {3,}\S")

_LEVELS = {"part": 2, "chapter": 2, "article": 3, "section": 4, "clause": 4}
_CAPITALS = 6


@dataclass(frozen=True, slots=True)
class Line:
    """Characters `start` to `end` of a text, its line break included. `level` orders headings and items: one
    belongs under the last one before it of a lower level. `label` names it in a path."""

    start: int
    end: int
    kind: Kind
    level: int = 0
    label: str = ""


@dataclass(slots=True)
class _Contents:
    """A table of contents: its entries look like headings. It is over where its first entry comes again, or
    where three lines of text follow one another."""

    is_open: bool = False
    first: str = ""
    texts: int = 0

    def has(self, content: str, kind: Kind) -> bool:
        """Whether a line, the next of its text, is an entry."""
        if kind == "heading" and _CONTENTS.fullmatch(content.lstrip("# ")):
            self.is_open, self.first, self.texts = True, "", 0
            return False
        if not self.is_open or kind == "blank":
            return False
        self.texts = self.texts + 1 if kind == "text" and not _has_leader(content) else 0
        if kind == "heading":
            name = _NAME.sub(" ", _without_page(content.lstrip("# "))[0]).strip().casefold()
            self.is_open = name != self.first
            self.first = self.first or name
        elif _has_leader(content):
            # such entries are known by themselves
            self.is_open = False
        elif self.texts == 3 or len(content) > _TITLE_CHARACTERS:
            self.is_open = False
        return self.is_open and kind == "heading"


def lines(text: str, start: int, end: int) -> Iterator[Line]:
    """The lines of `text[start:end]`. Those of a table of contents are text: they head nothing."""
    contents = _Contents()
    was_blank = True
    for match in _LINE.finditer(text, start, end):
        content = match.group().strip()
        kind, level = _kind(content, was_blank)
        was_blank = not content
        if contents.has(content, kind):
            kind, level = "text", 0
        label = _label(content) if kind == "heading" else ""
        yield Line(match.start(), match.end(), kind, level, label)


def _kind(content: str, after_blank: bool) -> tuple[Kind, int]:
    if not content:
        return "blank", 0
    if _CONTENTS.fullmatch(content.lstrip("# ")):
        # as deep as clauses, so that none stands under it
        return "heading", _NUMBERED
    if _CELLS.search(content) and not _MARKDOWN.match(content):
        return "row", 0
    if _has_leader(content):
        return "text", 0
    if marks := _MARKDOWN.match(content):
        return "heading", len(marks[1])
    is_title = len(content) <= _TITLE_CHARACTERS and content[-1] not in ".,;:"
    if is_title and (named := _NAMED.match(content)):
        return "heading", _LEVELS.get(named[1].lower(), 1)
    if (number := _NUMBER.match(content)) and _heads(number, content):
        return "heading", _NUMBERED + number[1].count(".")
    if _LISTED.match(content):
        return "item", _ITEM
    if after_blank and is_title and _is_capitals(content):
        return "heading", _CAPITALS
    return "text", 0


def _heads(number: re.Match[str], content: str) -> bool:
    """Whether a number begins a clause: `12. Fees`, `12.3 The Borrower`, `12 Fees`, not `12 months`."""
    follows = content[number.end() - 1]
    is_clause = "." in number[1] or number[2] or (len(number[1]) <= 2 and len(content) <= _BARE_CHARACTERS)
    return bool(is_clause) and (follows.isupper() or follows in "\"'“‘")


def _without_page(content: str) -> tuple[str, str]:
    """A line without the page at its end, and what stands between the two; the line itself without one."""
    page = _PAGE.search(content)
    if page is None:
        return content, ""
    title = content[: page.start()].rstrip(" \t.")
    return (title, content[len(title) : page.start()]) if len(title) < page.start() else (content, "")


def _has_leader(content: str) -> bool:
    """Whether dots, a tab or a wide space lead to a page, as in a table of contents."""
    between = _without_page(content)[1]
    return between.count(".") >= 3 or "\t" in between or len(between) - len(between.lstrip(" ")) >= 3


def _is_capitals(content: str) -> bool:
    letters = [each for each in content if each.isalpha()]
    return (
        len(letters) >= 4 and 2 * len(letters) > len(content) and all(not each.islower() for each in letters)
    )


def _label(content: str) -> str:
    label = content.lstrip("#").strip()
    if len(label) <= _LABEL_CHARACTERS:
        return label
    return label[:_LABEL_CHARACTERS].rsplit(" ", 1)[0]
