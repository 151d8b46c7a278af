"""One page of sections, as Markdown and as a self-contained HTML file. All text is escaped here.

A page is made of raw text, tables, preformatted lines and our own SVG, so that nothing a model wrote can be
markup in either form.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from harness.render.escape import clip, markdown_text
from harness.render.tables import Table, markdown_lines

_LONGEST = 8_000
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph of raw text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of raw texts."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to be shown as they are; with `language` "diff" those that begin with + and - stand out."""

    lines: tuple[str, ...]
    language: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """SVG text of ours, whose writer escaped what it was given. Markdown leaves it out."""

    svg: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a line. With a `label` it is marked, and the label is shown on pointing at it.

    `anchor` is what a `Link` leads to; `strength` in [0, 1] colours the mark from faint to full.
    """

    text: str
    label: str = ""
    anchor: str = ""
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Marked:
    """Lines of text in which pieces are marked. In Markdown marks become brackets."""

    lines: tuple[tuple[Segment, ...], ...]


class Link(str):
    """A table's cell that leads to a mark on the same page; in other forms it is its text."""

    __slots__ = ("anchor",)
    anchor: str

    def __new__(cls, text: str, anchor: str) -> Link:
        """The cell's text, and the anchor of a `Segment`."""
        made = super().__new__(cls, text)
        made.anchor = anchor
        return made


Block = Paragraph | Bullets | Table | Lines | Marked | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A title, a sentence that says it all, and sections; `kind` stands above the title."""

    title: str
    lede: str
    sections: tuple[Section, ...]
    kind: str = "Report"


def markdown_page(page: Page) -> str:
    """The page as Markdown, every text literal."""
    lines = [f"# {_md(page.title)}", "", _md(page.lede), ""]
    for section in page.sections:
        lines += [f"## {_md(section.title)}", ""]
        for block in section.blocks:
            if not isinstance(block, Chart):
                lines += [*_markdown_block(block), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def html_page(page: Page) -> str:
    """The page as one HTML document that asks the network for nothing."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {
        "table": lambda block: isinstance(block, Table),
        "bullets": lambda block: isinstance(block, Bullets),
        "preformatted": lambda block: isinstance(block, Lines),
        "marked": lambda block: isinstance(block, Marked),
        "link": lambda cell: isinstance(cell, Link),
        "chart": lambda block: isinstance(block, Chart),
    }
    return environment.get_template("sections.html.j2").render(page=page, mark=_mark, trusted=_trusted)


def _md(text: str) -> str:
    return markdown_text(text, _LONGEST)


def _markdown_block(block: Paragraph | Bullets | Table | Lines | Marked) -> list[str]:
    if isinstance(block, Paragraph):
        return [_leading(_md(block.text))]
    if isinstance(block, Bullets):
        return [f"- {_leading(_md(item))}" for item in block.items]
    if isinstance(block, Table):
        return markdown_lines(block)
    if isinstance(block, Marked):
        return _fenced(Lines(tuple("".join(map(_bracketed, line)) for line in block.lines)))
    return _fenced(block)


def _bracketed(segment: Segment) -> str:
    return f"[{segment.text}]" if segment.label else segment.text


def _leading(text: str) -> str:
    """Without what Markdown reads as a list, a rule or indented code at the beginning of a line."""
    return re.sub(r"^([-+=]|\d+(?=[.)]))", lambda match: f"&#{ord(match[1][0])};{match[1][1:]}", text)


def _fenced(block: Lines) -> list[str]:
    """A fence that is longer than every run of backticks inside it, so that no line can end it."""
    lines = [printable_line(line) for line in block.lines]
    longest = max((len(run) for line in lines for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{block.language}", *lines, fence]


def printable_line(line: str) -> str:
    """One line without control, format or surrogate characters, its blanks as wide as they are."""
    shown = clip(line.expandtabs(4), _LONGEST)
    return "".join(
        " " if c.isspace() else "?" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in shown
    )


def _mark(line: str) -> str:
    """CSS class of a line of a diff."""
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")


def _trusted(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)  # only ever a Chart's


def _shown(value: Any) -> Any:
    """Strings from data become printable lines; our own SVG passes as it is."""
    from markupsafe import Markup

    return printable_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value
