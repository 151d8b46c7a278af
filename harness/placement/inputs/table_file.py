"""A CSV file as rows of cells that know their place, and the cells as numbers in a range."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import HarnessError

# Limits of `number` far beyond any figure of a real pool: their products stay finite, and above 0.
POSITIVE, LARGEST = 1e-15, 1e15


def rows(path: Path, missing: str) -> Iterator[tuple[str, list[str]]]:
    """(place, stripped cells) of each line that is neither empty nor a comment.

    HarnessError where there is no such file (`missing` says what to do) or it is not UTF-8 CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells) and not cells[0].startswith("#"):
                    yield _printable(cells, f"{path}, line {reader.line_num}")
    except (FileNotFoundError, NotADirectoryError):
        raise HarnessError("no such file", where=str(path), next_step=missing) from None
    except OSError as error:
        raise HarnessError(f"cannot be read ({error.strerror})", where=str(path), next_step=missing) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise HarnessError(
            f"cannot be read as UTF-8 text ({error})", where=str(path), next_step="save it as CSV in UTF-8"
        ) from None


def _printable(cells: list[str], place: str) -> tuple[str, list[str]]:
    if not "".join(cells).isprintable():
        raise HarnessError(
            "a cell has a line break or a control character in it", where=place, next_step="close its quote"
        )
    return place, cells


def table(path: Path, missing: str, headers: Iterable[list[str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """(place, cells by column) of each row under the header, which is one of `headers`."""
    allowed = [",".join(header) for header in headers]
    lines = rows(path, missing)
    _, header = next(lines, ("", []))
    if ",".join(header) not in allowed:
        raise HarnessError("the first line is not the header", where=str(path), allowed=" or ".join(allowed))
    for place, cells in lines:
        if len(cells) != len(header):
            raise HarnessError(f"{len(cells)} cells in a row", where=place, allowed=",".join(header))
        yield place, dict(zip(header, cells, strict=True))


def number(text: str, where: str, low: float, high: float = LARGEST, *, whole: bool = False) -> float:
    """A number in [low, high]; HarnessError otherwise. `where` names file, line and column."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        allowed = f"{kind} from {low:g} to {high:,.0f}" if whole else f"{kind} from {low:g} to {high:g}"
        raise HarnessError(f"{text!r} is not allowed", where=where, allowed=allowed)
    return value


def unknown(name: str, known: Iterable[str], what: str, where: str, next_step: str = "") -> HarnessError:
    """The error of a name that is none of `known`; it suggests the nearest one."""
    names = list(known)
    folded = {known_name.casefold(): known_name for known_name in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    hints = [f"did you mean {folded[near[0]]!r}?"] if near else []
    hints += [next_step] if next_step else []
    return HarnessError(
        f"unknown {what} {name!r}", where=where, allowed=", ".join(names), next_step=" ".join(hints)
    )
