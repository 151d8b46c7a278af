"""XLSX files through openpyxl, read-only: each sheet a page, each row a line, values as people see them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.number_formats import shown
from harness.extraction.documents.packed import refuse_bombs
from harness.extraction.documents.report import Content, UnreadableError, fit
from harness.extraction.documents.tables import row_text


def read_workbook(path: Path, limits: Limits) -> Content:
    """The sheets of a workbook, each a page under its name. Macros are not run, pictures not read.

    A formula gives the value that was stored with it; one without is noted. Raises UnreadableError for a file
    that is encrypted, broken, over a limit, or without any value.
    """
    from openpyxl import load_workbook

    def opened(*, data_only: bool) -> Any:
        return load_workbook(path, read_only=True, data_only=data_only, keep_links=False)

    refuse_bombs(path, limits, "XLSX")
    sheets: list[str] = []
    counts = _Counts(limits)
    try:
        with (
            _quiet(),
            closing(opened(data_only=True)) as values,
            closing(opened(data_only=False)) as formulas,
        ):
            for sheet, written in zip(values.worksheets, formulas.worksheets, strict=True):
                lines = list(_lines(sheet, written, counts))
                if lines:
                    sheets.append(fit(f"# {' '.join(sheet.title.split())}\n\n" + "".join(lines)) + "\n")
    except UnreadableError:
        raise
    except Exception as error:  # whatever a broken workbook makes openpyxl stumble over
        raise UnreadableError(f"is no XLSX file or a broken one ({type(error).__name__})") from None
    if not sheets:
        raise UnreadableError("holds no value")
    starts = [0]
    for text in sheets[:-1]:
        starts.append(starts[-1] + len(text))
    notes = (f"{counts.bare:,} formulas have no stored value; open and save it",) if counts.bare else ()
    return Content("".join(sheets), tuple(starts), notes, bool(counts.bare))


class _Counts:
    """What was met so far; raises UnreadableError over a limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cells = self._characters = self.bare = 0

    def row(self, cells: int) -> None:
        # an empty row is a cell too, or a row of a high number would cost nothing
        self._cells += max(cells, 1)
        if self._cells > self._limits.cells:
            raise UnreadableError(f"has over {self._limits.cells:,} cells, the limit")

    def text(self, characters: int) -> None:
        self._characters += characters
        if self._characters > self._limits.characters:
            raise UnreadableError(f"has over {self._limits.characters:,} characters of text, the limit")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of openpyxl about what it leaves out, none of which is text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _lines(sheet: Any, written: Any, counts: _Counts) -> Iterator[str]:
    for each in (sheet, written):
        # as stated they may be too small, or larger than anything
        each.reset_dimensions()
    for row, formulas in zip(sheet.iter_rows(), written.iter_rows(), strict=True):
        counts.row(len(row))
        cells = []
        for cell, formula in zip_longest(row, formulas):
            value = None if cell is None else cell.value
            if value is None and formula is not None and formula.value is not None:
                counts.bare += 1
            cells.append("" if value is None else shown(value, cell.number_format or ""))
        line = row_text(cells)
        counts.text(len(line))
        if line:
            yield line
