"""DOCX files through python-docx: paragraphs and tables in their order, notes at the end.

The elements are walked here, for python-docx's own paragraphs leave out tracked insertions and content
controls. Deleted text is not read; headers, footers and comments are not either, and numbers that Word counts
by itself are not in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.packed import refuse_bombs
from harness.extraction.documents.report import Content, UnreadableError, fit
from harness.extraction.documents.tables import row_text

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DELETED = (_W + "del", _W + "moveFrom", _W + "pPr", _W + "rPr", _W + "instrText")
_CHARACTERS = {_W + "tab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_HEADING = re.compile(r"heading (\d)|(title)", re.IGNORECASE)
_NOTES = ("footnotes", "endnotes")
_PAGE_END = "\f"


def read_word(path: Path, limits: Limits) -> Content:
    """A DOCX file as text. Paragraphs in a heading style are marked as in Markdown; a table's row is a line.

    Pages begin where Word last laid them out, or else at manual page breaks. Raises UnreadableError for a
    file that is encrypted, broken, over a limit, or without text.
    """
    from docx import Document

    refuse_bombs(path, limits, "DOCX")
    try:
        opened = Document(str(path))
        body, styles = opened.element.body, _heading_marks(opened)
        parts = [body, *_notes_of(opened)]
    except Exception as error:  # whatever a broken package makes python-docx and lxml stumble over
        raise UnreadableError(f"is no DOCX file or a broken one ({type(error).__name__})") from None
    is_laid_out = next(body.iter(_W + "lastRenderedPageBreak"), None) is not None
    pieces: list[str] = []
    characters = 0
    for part in parts:
        for piece in _blocks(part, styles, is_laid_out):
            pieces.append(fit(piece))
            characters += len(piece)
            if characters > limits.characters:
                raise UnreadableError(f"has over {limits.characters:,} characters of text, the limit")
    return _paged("".join(pieces))


def _paged(text: str) -> Content:
    """The text without its marks of pages, which may stand within a sentence."""
    parts = text.split(_PAGE_END)
    starts, at = [0], 0
    for part in parts[:-1]:
        at += len(part)
        starts.append(at)
    whole = "".join(parts)
    return Content(whole, tuple(start for start in starts if start < len(whole) or not start))


def _blocks(element: Any, styles: Mapping[str, str], is_laid_out: bool) -> Iterator[str]:
    """The paragraphs and rows in an element, each with its line break."""
    for child in element:
        if child.tag == _W + "p":
            yield _paragraph(child, styles, is_laid_out)
        elif child.tag == _W + "tbl":
            yield from _rows(child, is_laid_out)
        elif child.tag not in _DELETED and child.tag != _FALLBACK:
            yield from _blocks(child, styles, is_laid_out)


def _paragraph(element: Any, styles: Mapping[str, str], is_laid_out: bool) -> str:
    text = _text(element, is_laid_out)
    style = element.find(f"{_W}pPr/{_W}pStyle")
    mark = styles.get(style.get(_W + "val", ""), "") if style is not None and text.strip() else ""
    return f"{mark}{text}\n"


def _rows(table: Any, is_laid_out: bool) -> Iterator[str]:
    for row in table.iter(_W + "tr"):
        if _owner(row) is not table:
            continue  # of a table in a cell, which stands there
        cells = [cell for cell in row.iter(_W + "tc") if _owner(cell, _W + "tr") is row]
        texts = [_cell(cell, is_laid_out) for cell in cells]
        # a page that ends within a row ends before it
        yield _PAGE_END * max((text.count(_PAGE_END) for text in texts), default=0)
        yield row_text([text.replace(_PAGE_END, "") for text in texts])
    yield "\n"


def _cell(cell: Any, is_laid_out: bool) -> str:
    return " ".join(
        _text(each, is_laid_out) for each in cell.iter(_W + "p") if _owner(each, _W + "txbxContent") is None
    )


def _owner(element: Any, tag: str = _W + "tbl") -> Any:
    """The nearest element around it with this tag."""
    return next(element.iterancestors(tag), None)


def _text(element: Any, is_laid_out: bool) -> str:
    return "".join(_runs(element, is_laid_out))


def _runs(element: Any, is_laid_out: bool) -> Iterator[str]:
    """The texts in an element, page ends among them; what was deleted is not, nor a second form of a box."""
    for child in element:
        if child.tag == _W + "t":
            yield child.text or ""
        elif child.tag == _W + "lastRenderedPageBreak":
            yield _PAGE_END
        elif child.tag == _W + "br" and child.get(_W + "type") == "page":
            yield "\n" if is_laid_out else _PAGE_END
        elif child.tag in _CHARACTERS:
            yield _CHARACTERS[child.tag]
        elif child.tag == _W + "p":
            # a text box stands within a paragraph
            yield _text(child, is_laid_out) + "\n"
        elif child.tag not in _DELETED and child.tag != _FALLBACK:
            yield from _runs(child, is_laid_out)


def _heading_marks(opened: Any) -> dict[str, str]:
    """The Markdown mark of each style that makes headings, by the style's id."""
    marks = {}
    for style in opened.styles.element.iter(_W + "style"):
        name = style.find(_W + "name")
        found = _HEADING.fullmatch(name.get(_W + "val", "")) if name is not None else None
        if found:
            marks[style.get(_W + "styleId", "")] = "#" * min(int(found[1] or 1), 6) + " "
    return marks


def _notes_of(opened: Any) -> list[Any]:
    """The footnotes and endnotes, in this order; those that Word makes to draw lines are left out."""
    from docx.oxml import parse_xml

    found = []
    for kind in _NOTES:
        for relation in opened.part.rels.values():
            if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
                notes = parse_xml(relation.target_part.blob)
                found += [note for note in notes if note.get(_W + "type") in (None, "normal")]
    return found
