"""Text and Markdown files: as they are, line breaks alone made one kind."""

from __future__ import annotations

from pathlib import Path

from harness.extraction.documents.encodings import decoded
from harness.extraction.documents.limits import Limits
from harness.extraction.documents.report import Content, fit


def read_plain(path: Path, limits: Limits) -> Content:
    """A text file; a form feed ends a page. Raises UnreadableError for what is no text."""
    text, notes = decoded(path.read_bytes())
    text = fit(text.replace("\r\n", "\n").replace("\r", "\n"))
    ends = [at + 1 for at, character in enumerate(text) if character == "\f"] if "\f" in text else []
    pages = (0, *(end for end in ends if end < len(text)))
    return Content(text, pages, notes)
