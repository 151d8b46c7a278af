"""Lines of a CSV table whose cells can say where they stand when they are wrong."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

UNKNOWN = frozenset(("", "-", "na", "n/a", "nan", "none", "null"))
"""What tables write, in any case, where they have no value."""
MOST_COUNT = 10**9
LEAST_NUMBER, MOST_NUMBER = 1e-9, 1e12
"""Beyond these a cell is a slip of the pen, and products of it would leave the range of a float."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table at `path`: its number in the file and its cells by column."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def error(self, column: str, allowed: str) -> HarnessError:
        """The error for a cell."""
        return HarnessError(f"is {self.cells[column]!r}", where=self.where(column), allowed=allowed)

    def where(self, column: str) -> str:
        """File, line and column, for errors."""
        return f"{self.path}, line {self.number}, column {column}"

    @contextmanager
    def at(self, column: str) -> Iterator[None]:
        """A HarnessError raised in here is about this cell, and says so."""
        try:
            yield
        except HarnessError as error:
            what = f"{error.where}: {error.what}" if error.where else error.what
            raise HarnessError(
                what, where=self.where(column), allowed=error.allowed, next_step=error.next_step
            ) from error

    def knows(self, *columns: str) -> bool:
        """Whether every one of the columns exists and has a value here."""
        return all(self.cells.get(column, "").lower() not in UNKNOWN for column in columns)

    def whole(self, column: str, most: int = MOST_COUNT) -> int:
        """The count in a cell; HarnessError for anything but a whole number from 1 to `most`."""
        value = _number(self.cells[column])
        if not (1.0 <= value <= most and value == math.floor(value)):
            raise self.error(column, f"a whole number from 1 to {most:,}")
        return int(value)

    def positive(self, column: str) -> float:
        """The number in a cell; HarnessError for anything but a number above 0."""
        value = _number(self.cells[column])
        if not LEAST_NUMBER <= value <= MOST_NUMBER:
            raise self.error(column, f"a number above 0, from {LEAST_NUMBER:g} to {MOST_NUMBER:g}")
        return value


def _number(text: str) -> float:
    """NaN where the text is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def half_of_last_digit(text: str) -> float:
    """Half a unit of the last printed digit: `1.4` is known to 0.05, `23` to 0.5."""
    mantissa, _, exponent = text.strip().lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - decimals)


def header_and_lines(path: Path) -> tuple[tuple[str, ...], Iterator[Line]]:
    """(column names, lines that are not blank) of a CSV file in UTF-8, with or without a byte order mark.

    Column names are lower case with underscores, whatever the file has; an empty file has none. HarnessError
    for a file that cannot be read, names a column twice or, when it comes to it, a line that does not fit.
    """
    found = _rows(path)
    _, first = next(found, (0, []))
    header = tuple("_".join(cell.lower().split()) for cell in first)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise HarnessError(f"has column {twice[0]!r} twice", where=f"{path}, header", allowed="each once")
    return header, _fitting(path, header, found)


def _fitting(path: Path, header: tuple[str, ...], found: Iterator[tuple[int, list[str]]]) -> Iterator[Line]:
    for number, cells in found:
        if len(cells) != len(header):
            raise HarnessError(
                f"has {len(cells)} cells",
                where=f"{path}, line {number}",
                allowed=f"{len(header)}, as the header",
            )
        yield Line(path, number, dict(zip(header, map(str.strip, cells), strict=True)))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"cannot be read ({error})",
            where=str(path),
            allowed="a CSV file in UTF-8",
            next_step="check the path and its permissions",
        ) from error
    reader = csv.reader(text.splitlines(), skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise HarnessError(f"is no CSV ({error})", where=f"{path}, line {reader.line_num}") from error
