"""A draft laid out as documents: sections, filler, pages, and where in them every line came to stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from harness.extraction.chunks import OVERLAP, SIZE
from harness.extraction.company import Document, header
from harness.extraction.corpus.draft import Draft, Line
from harness.extraction.corpus.filler import Filler
from harness.extraction.corpus.knobs import Knobs
from harness.extraction.corpus.noise import misread
from harness.extraction.corpus.places import PARTS, Part
from harness.extraction.corpus.words import Wording, fill

_CHARACTERS = 4
_WINDOW, _STRIDE = _CHARACTERS * SIZE, _CHARACTERS * (SIZE - OVERLAP)
_NEAR = 800
_PAGE = 2_800
_LARGE = 0.3
_NOISELESS = "\t"


@dataclass(frozen=True, slots=True)
class Laid:
    """The documents, and (document, offset in its text) of every line by its number."""

    documents: tuple[Document, ...]
    at: Mapping[int, tuple[str, int]]


def splits_that_fit(tokens: int) -> int:
    """How many values in two parts have a window's border of their own in the two large documents."""
    return max(0, int(0.7 * tokens * _CHARACTERS / _STRIDE) - 3)


def lay_out(draft: Draft, wording: Wording, knobs: Knobs, r: Random, noise: Random) -> Laid:
    """All documents that have a line, in the order of their names, filled up to `knobs.tokens`. Noise has
    chance of its own, so that it moves nothing."""
    parts = [part for part in PARTS if any(_lines_of(draft, section) for section in _sections(part))]
    stated = sum(len(line.text) + 2 for line in draft.lines)
    room = max(0, _CHARACTERS * knobs.tokens - stated - 2_000)
    shares = sum(part.filler for part in parts)
    waiting = deque(number for number, line in enumerate(draft.lines) if line.opens is not None)
    # split values are placed in the large documents, so the last of them goes on until all are
    last = [part for part in parts if part.filler >= _LARGE][-1]
    documents: list[Document] = []
    at: dict[int, tuple[str, int]] = {}
    for number, part in enumerate(parts, 1):
        name = f"{number:02}_{part.key}.txt"
        base = sum(len(header(each.name)) + len(each.text) for each in documents) + len(header(name))
        page = _Pages(draft, Filler(wording, knobs.foreign, r), knobs.ocr, r, noise, base, waiting)
        page.document(part, wording, int(room * part.filler / shares), part is last)
        documents.append(Document(name, text := "".join(page.parts), pages_of(text)))
        at |= {line: (name, offset) for line, offset in page.at.items()}
    return Laid(tuple(documents), at)


def pages_of(text: str) -> tuple[int, ...]:
    """Where the pages of a text begin: after each form feed."""
    starts = [0]
    found = text.find("\f")
    while found >= 0:
        if found + 1 < len(text):
            starts.append(found + 1)
        found = text.find("\f", found + 1)
    return tuple(starts)


def _sections(part: Part) -> tuple[str, ...]:
    return part.sections + part.schedules


def _lines_of(draft: Draft, section: str) -> list[int]:
    """Of a section's lines those that it places itself; the ends of split ones follow their beginnings."""
    ends = {line.opens for line in draft.lines if line.opens is not None}
    return [
        number
        for number, line in enumerate(draft.lines)
        if line.section == section and line.opens is None and number not in ends
    ]


@dataclass(slots=True)
class _Pages:
    """One document while it is written. `base` is where its text begins in the company's."""

    draft: Draft
    filler: Filler
    ocr: float
    r: Random
    noise: Random
    base: int
    waiting: deque[int]
    parts: list[str] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)
    length: int = 0
    page_start: int = 0
    page: int = 1
    ending: tuple[int, int] | None = None
    """The line that ends a split value, and before which offset it must not end."""

    def document(self, part: Part, wording: Wording, room: int, is_last: bool) -> None:
        """Title, contents, sections, schedules; what is split ends here, and begins here in the last one."""
        sections = _sections(part)
        self._write(f"{self._title(part, wording)}\n\n")
        if part.schedules:
            titles = [f"{n}. {_heading(wording, each)}" for n, each in enumerate(part.sections, 1)]
            self._write("CONTENTS\n\n" + "\n".join(titles) + "\n\n")
        for number, section in enumerate(sections, 1):
            is_schedule = section in part.schedules
            lines = _lines_of(self.draft, section)
            label = f"SCHEDULE {number - len(part.sections)}\n{{}}" if is_schedule else f"{number}. {{}}"
            self._write(label.format(_heading(wording, section)) + "\n\n")
            prefix = f"{number}." if part.is_numbered and not is_schedule else ""
            share = room // len(sections)
            self._section(lines, share, prefix)
        while self.ending is not None or (is_last and self.waiting):
            self._filled("")

    def _title(self, part: Part, wording: Wording) -> str:
        if part.key in self.draft.titles:
            return self.draft.titles[part.key]
        return wording.titles[part.key][0]

    def _section(self, lines: Sequence[int], room: int, prefix: str) -> None:
        """Its lines in random order among the filler."""
        order = list(lines)
        self.r.shuffle(order)
        end = self.length + room + sum(len(self.draft.lines[number].text) + 2 for number in order)
        places = sorted(self.r.random() for _ in order)
        begin, count = self.length, 0
        for number, place in zip(order, places, strict=True):
            while room > 0 and self.length < begin + place * (end - begin):
                count += 1
                self._filled(f"{prefix}{count} " if prefix else "")
            count += 1
            self._line(number, f"{prefix}{count} " if prefix else "")
        while room > 0 and self.length < end:
            count += 1
            self._filled(f"{prefix}{count} " if prefix else "")

    def _filled(self, prefix: str) -> None:
        """A paragraph of filler, or a half of a split value where it belongs."""
        if not self._begin_split(prefix) and not self._end_split(prefix):
            self._paragraph(self.filler.paragraph(), prefix)

    def _begin_split(self, prefix: str) -> bool:
        here = self.base + self.length
        border = (here // _STRIDE + 1) * _STRIDE
        if not self.waiting or self.ending is not None or border - here > _NEAR or border - here < 60:
            return False
        number = self.waiting.popleft()
        opens = self.draft.lines[number].opens
        assert opens is not None
        self._line(number, prefix)
        # the window before this border ends an overlap behind it
        self.ending = (opens, border - _STRIDE + _WINDOW)
        return True

    def _end_split(self, prefix: str) -> bool:
        if self.ending is None or self.base + self.length + 20 < self.ending[1]:
            return False
        number, self.ending = self.ending[0], None
        self._line(number, prefix)
        return True

    def _line(self, number: int, prefix: str) -> None:
        line: Line = self.draft.lines[number]
        shown = prefix if _NOISELESS not in line.text else ""
        self.at[number] = self.length + len(shown)
        self._write(shown + misread(line.text, line.kept, self.ocr, self.noise) + "\n\n")
        self._turn()

    def _paragraph(self, text: str, prefix: str) -> None:
        self._write(prefix + misread(text, (), self.ocr, self.noise) + "\n\n")
        self._turn()

    def _turn(self) -> None:
        """A new page where this one is full."""
        if self.length - self.page_start > _PAGE:
            self._write(f"- {self.page} -\n\f")
            self.page += 1
            self.page_start = self.length

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def _heading(wording: Wording, section: str) -> str:
    return wording.sections[section.rstrip("12")]


def title(template: str, **contents: str) -> str:
    """A document's title with its number and date."""
    return fill(template, **contents).text
