"""PDF files through pypdf: each page's text, nothing recognised from pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.report import Content, UnreadableError, fit, one_line

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_PASSWORD = "is encrypted; save it without a password"
_NAMED_PAGES = 5


def read_pdf(path: Path, limits: Limits) -> Content:
    """The pages of a PDF, each ended by a line break. One that cannot be read is empty, and noted.

    Raises UnreadableError for a file that is encrypted, broken, over a limit, or without any text.
    """
    with _faults() as faults:
        reader = _opened(path)
        count = _page_count(reader, limits)
        texts, broken, bare = [], [], []
        work, characters, blank = _Work(limits), 0, 0
        for number in range(1, count + 1):
            try:
                text = work.text(reader.pages[number - 1])
            except UnreadableError:
                raise
            except Exception:  # pypdf raises whatever a damaged page makes it stumble over
                text = ""
                broken.append(number)
            else:
                if text is None:
                    blank += 1
                elif not text.strip():
                    bare.append(number)
            texts.append(fit(text or "").replace("\r", "\n").rstrip() + "\n")
            characters += len(texts[-1])
            if characters > limits.characters:
                raise UnreadableError(f"has over {limits.characters:,} characters of text, the limit")
    if len(bare) + len(broken) + blank == count:
        raise UnreadableError("holds no text; if its pages are scanned, recognise their text first")
    return Content("".join(texts), _starts(texts), _notes(broken, bare, faults), bool(broken or bare))


def _opened(path: Path) -> PdfReader:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    try:
        reader = PdfReader(path)
        # without a password for reading it opens with an empty one
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError(_PASSWORD)
    except UnreadableError:
        raise
    except DependencyError:
        raise UnreadableError(_PASSWORD) from None
    except Exception as error:
        raise UnreadableError(
            f"is no PDF or a broken one ({one_line(str(error)) or type(error).__name__})"
        ) from None
    return reader


def _page_count(reader: PdfReader, limits: Limits) -> int:
    from pypdf.errors import DependencyError

    try:
        count = len(reader.pages)
    except DependencyError:
        raise UnreadableError(_PASSWORD) from None
    except Exception as error:
        raise UnreadableError(
            f"is a broken PDF: its pages cannot be listed ({type(error).__name__})"
        ) from None
    if not count:
        raise UnreadableError("is a PDF without pages")
    if count > limits.pages:
        raise UnreadableError(f"has {count:,} pages, over the limit of {limits.pages:,}; split it")
    return count


class _Work:
    """The work on a file so far: bytes of its pages, and operations, which a visitor counts: forms may draw
    each other again and again. Raises UnreadableError over a limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = self._operations = 0

    def text(self, page: PageObject) -> str | None:
        """The text of the next page, None where nothing is drawn on it."""
        contents = page.get_contents()
        if contents is None or not (data := contents.get_data()).strip():
            return None
        size = len(data)
        self._bytes += size
        if size > self._limits.page_bytes:
            raise UnreadableError(f"has a page of over {self._limits.page_bytes:,} bytes, the limit")
        if self._bytes > self._limits.unpacked_bytes:
            raise UnreadableError(f"has pages of over {self._limits.unpacked_bytes:,} bytes, the limit")
        text = str(page.extract_text(visitor_operand_before=self._count))
        # pypdf goes on where a form within a page raises something
        self._refuse_endless()
        return text

    def _count(self, *_: Any) -> None:
        self._operations += 1
        self._refuse_endless()

    def _refuse_endless(self) -> None:
        if self._operations > self._limits.operations:
            raise UnreadableError(f"draws over {self._limits.operations:,} times, the limit")


def _starts(texts: list[str]) -> tuple[int, ...]:
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text)
    return tuple(starts)


def _notes(broken: list[int], bare: list[int], faults: list[str]) -> tuple[str, ...]:
    notes = []
    if broken:
        notes.append(f"cannot be read: {_pages(broken)}")
    if bare:
        notes.append(f"without text, perhaps scanned: {_pages(bare)}")
    if faults:
        notes.append(f"damaged, read as well as possible ({one_line(faults[0])})")
    return tuple(notes)


def _pages(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_NAMED_PAGES]))
    more = len(numbers) - _NAMED_PAGES
    word = "page" if len(numbers) == 1 else "pages"
    return f"{word} {shown} and {more:,} more" if more > 0 else f"{word} {shown}"


class _Collecting(logging.Handler):
    """Keeps the first messages; a damaged file can cause thousands."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.messages) < 1:
            self.messages.append(record.getMessage())


@contextmanager
def _faults() -> Iterator[list[str]]:
    """What pypdf complains of meanwhile, which else goes to the terminal."""
    logger, handler = logging.getLogger("pypdf"), _Collecting()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.messages
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
