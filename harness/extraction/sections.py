"""Chunks that keep to a document's structure: clauses and tables whole where they fit, with headings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.extraction.asks import Passage
from harness.extraction.company import Company
from harness.extraction.headings import Line, lines

Tokens = Callable[[str], int]
"""How many tokens a text has."""

_ROOT = -1


@dataclass(frozen=True, slots=True)
class Section:
    """A chunk, and the headings under which it begins, outermost first, its own first line among them."""

    passage: Passage
    heading_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    """What packing does not cut. A `leading` one wants what follows in the same chunk: it is a heading."""

    start: int
    end: int
    tokens: int
    path: tuple[str, ...]
    leading: bool = False


@dataclass(slots=True)
class _Node:
    """A heading or an item with its own blocks and what stands under it."""

    level: int
    path: tuple[str, ...]
    parts: list[_Block | _Node] = field(default_factory=list)
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together: a paragraph, a table, a heading; blank lines belong to what they follow."""

    start: int
    end: int
    tokens: int
    is_heading: bool
    pieces: tuple[tuple[int, int, int], ...]
    """Its lines: start, end, tokens."""


def section_chunks(company: Company, tokens: Tokens, size: int) -> tuple[Section, ...]:
    """The company's text in chunks of at most `size` tokens, as `tokens` counts single lines.

    Together the chunks are the whole text of every document that has any; none crosses from one document to
    another. A clause with all that is under it, a paragraph and a table are each in one chunk when they fit;
    a table that does not is cut between rows, a line between words. A heading is not the last of a chunk
    unless what follows does not fit beside it. Neighbours that fit together are one chunk. Raises
    HarnessError for a size below 1.
    """
    if size < 1:
        raise HarnessError(f"chunks of {size} tokens", allowed="1 and more")
    found: list[Section] = []
    for document, start in zip(company.documents, company.starts, strict=True):
        end = start + len(document.text)
        if company.text[start:end].strip():
            root = _tree(_blocks(company.text, start, end, tokens))
            units = list(_units(company.text, root, tokens, size))
            found += _packed(units, size)
    return tuple(found)


def titled(company: Company, section: Section) -> str:
    """A section's text under its file's name and its headings: what retrieval should index."""
    span = section.passage
    place = company.place(span.start, span.start)
    headings = " > ".join((*((place.file,) if place else ()), *section.heading_path))
    return f"{headings}\n{company.text[span.start : span.end]}"


def _blocks(text: str, start: int, end: int, tokens: Tokens) -> Iterator[tuple[_Block, Line]]:
    """The blocks of a document, each with its first line."""
    held: list[Line] = []
    for line in lines(text, start, end):
        if held and not _continues(held, line):
            yield _block(text, held, tokens), held[0]
            held = []
        held.append(line)
    if held:
        yield _block(text, held, tokens), held[0]


def _continues(held: Sequence[Line], line: Line) -> bool:
    if line.kind == "blank" or all(each.kind == "blank" for each in held):
        return line.kind in ("blank", "text", "row")
    if held[-1].kind == "blank" or line.kind in ("heading", "item"):
        return False
    first = next(each for each in held if each.kind != "blank")
    return first.kind != "heading" and (line.kind == "row") == (held[-1].kind == "row")


def _block(text: str, held: Sequence[Line], tokens: Tokens) -> _Block:
    pieces = tuple((line.start, line.end, tokens(text[line.start : line.end])) for line in held)
    total = sum(count for _, _, count in pieces)
    return _Block(held[0].start, held[-1].end, total, held[0].kind == "heading", pieces)


def _tree(blocks: Iterator[tuple[_Block, Line]]) -> _Node:
    root = _Node(_ROOT, ())
    open_nodes = [root]
    for block, line in blocks:
        if line.kind in ("heading", "item"):
            while open_nodes[-1].level >= line.level:
                open_nodes.pop()
            above = open_nodes[-1]
            node = _Node(line.level, (*above.path, line.label) if line.label else above.path)
            above.parts.append(node)
            open_nodes.append(node)
        open_nodes[-1].parts.append(block)
        for node in open_nodes:
            node.tokens += block.tokens
    return root


def _units(text: str, node: _Node, tokens: Tokens, size: int) -> Iterator[_Unit]:
    """What fits is whole; else each part by itself."""
    if node.tokens <= size and node.level != _ROOT:
        yield _Unit(_first(node).start, _last(node).end, node.tokens, node.path)
        return
    for part in node.parts:
        if isinstance(part, _Node):
            yield from _units(text, part, tokens, size)
        elif part.tokens <= size:
            yield _Unit(part.start, part.end, part.tokens, node.path, part.is_heading)
        else:
            for start, end, count in part.pieces:
                for piece in _parts(text, start, end, count, tokens, size):
                    yield _Unit(*piece, node.path)


def _parts(
    text: str, start: int, end: int, count: int, tokens: Tokens, size: int
) -> Iterator[tuple[int, int, int]]:
    """Start, end and tokens of a line, or of the parts of one that is too long, cut between words."""
    if count <= size or end - start == 1:
        yield start, end, count
        return
    # shorter than the line, so this ends
    share = max(1, (end - start) // -(-count // size))
    while start < end:
        border = min(start + share, end)
        if border < end:
            border = text.rfind(" ", start, border) + 1 or border
        yield from _parts(text, start, border, tokens(text[start:border]), tokens, size)
        start = border


def _packed(units: Sequence[_Unit], size: int) -> Iterator[Section]:
    """Neighbours joined while they fit, headings with what they head."""
    chunk: list[_Unit] = []
    held = 0
    for group in _groups(units, size):
        total = sum(unit.tokens for unit in group)
        if chunk and held + total > size:
            yield _section(chunk)
            chunk, held = [], 0
        chunk += group
        held += total
    if chunk:
        yield _section(chunk)


def _groups(units: Sequence[_Unit], size: int) -> Iterator[list[_Unit]]:
    """Units that one chunk should begin with together: headings and the first unit under them."""
    held: list[_Unit] = []
    for unit in units:
        if held and sum(each.tokens for each in held) + unit.tokens > size:
            yield held
            held = []
        held.append(unit)
        if not unit.leading:
            yield held
            held = []
    if held:
        yield held


def _section(units: Sequence[_Unit]) -> Section:
    return Section(Passage(units[0].start, units[-1].end), units[0].path)


def _first(node: _Node) -> _Block:
    part = node.parts[0]
    return _first(part) if isinstance(part, _Node) else part


def _last(node: _Node) -> _Block:
    part = node.parts[-1]
    return _last(part) if isinstance(part, _Node) else part
