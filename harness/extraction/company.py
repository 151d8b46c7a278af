"""A company's documents as one text, in which every character knows its file and page."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Document:
    """One file as text. `name` is its path below the company's folder; `pages` are the character offsets at
    which its pages begin, the first 0."""

    name: str
    text: str
    pages: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one file: characters `start` to `end` of its text; `page` counts from 1."""

    file: str
    page: int
    start: int
    end: int


@dataclass(frozen=True)
class Company:
    """A company and its documents, in the order of their names whatever order they came in.

    All spans of this system are character offsets into `text`. Raises HarnessError for two files of one name.
    """

    name: str
    documents: tuple[Document, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.documents, key=lambda document: document.name))
        for before, after in pairwise(ordered):
            if before.name == after.name:
                raise HarnessError(f"two documents are called {after.name!r}", where=self.name)
        object.__setattr__(self, "documents", ordered)

    @cached_property
    def text(self) -> str:
        """All documents, each after a line that names it."""
        return "".join(header(each.name) + each.text for each in self.documents)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where in `text` each document's own text begins."""
        starts, end = [], 0
        for document in self.documents:
            starts.append(end + len(header(document.name)))
            end = starts[-1] + len(document.text)
        return tuple(starts)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and texts, not over the company's own name."""
        content = [[each.name, each.text, list(each.pages)] for each in self.documents]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def place(self, start: int, end: int) -> Place | None:
        """The stretch of a file that `text[start:end]` is; None where it is not wholly one file's text."""
        number = bisect_right(self.starts, start) - 1
        if number < 0:
            return None
        document, begin = self.documents[number], self.starts[number]
        if end > begin + len(document.text):
            return None
        page = bisect_right(document.pages, start - begin)
        return Place(document.name, page, start - begin, end - begin)

    def offset(self, file: str, start: int) -> int:
        """Where character `start` of a file is in `text`; raises KeyError for a file it does not have."""
        for document, begin in zip(self.documents, self.starts, strict=True):
            if document.name == file:
                return begin + start
        raise KeyError(file)


def header(name: str) -> str:
    """The lines in front of a document."""
    return f"\n\n===== {name} =====\n\n"
