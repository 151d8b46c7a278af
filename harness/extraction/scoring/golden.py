"""Tables of values as CSV: what was extracted, and what is right. One row for each facility of a company,
with the columns `company` and `facility` and fields by their keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.errors import HarnessError
from harness.extraction.asks import Facility
from harness.extraction.company import Company
from harness.extraction.result import CompanyResult, FacilityResult, Status, Value
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import TrueValue, Truth
from harness.extraction.values import canonical, problem

COMPANY, FACILITY = "company", "facility"
_OTHERS = frozenset({"confidence", "fields_found", "fields_in_conflict", "files", "notes"})
_NO_VALUE = frozenset(get_args(Status)) | {""}
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")
_WITH_OR_WITHOUT_MARK = "utf-8-sig"


@dataclass(frozen=True, slots=True)
class _Row:
    """One facility. `line` is where its row ends in the file; `cells` are values by field, no empty ones."""

    line: int
    company: str
    facility: str
    cells: Mapping[str, str]


def read_extracted(path: Path) -> dict[str, CompanyResult]:
    """An extracted table as results by company, without evidence. A cell that is no valid value is kept.

    Raises HarnessError for a file that is no such table.
    """
    columns, rows = _read(path)
    results: dict[str, list[FacilityResult]] = {}
    for row in rows:
        values = {key: _extracted(key, row.cells.get(key), key in columns) for key in FIELDS}
        results.setdefault(row.company, []).append(FacilityResult(Facility(row.facility), values))
    return {name: CompanyResult(Company(name, ()), tuple(each), ()) for name, each in results.items()}


def read_golden(path: Path) -> tuple[tuple[str, ...], dict[str, Truth]]:
    """A table of right values: the fields that it has columns for, and the truths by company.

    An empty cell, or one with a status word such as NOT_FOUND, says that the value is absent. Raises
    HarnessError for a file that is no such table, a facility that comes twice, and a cell that is no value of
    its field, with file, row and column.
    """
    columns, rows = _read(path)
    facilities: dict[str, dict[str, _Row]] = {}
    for row in rows:
        for key, cell in row.cells.items():
            if canonical(FIELDS[key], cell) is None:
                raise HarnessError(problem(FIELDS[key], cell), where=f"{path}, line {row.line}, column {key}")
        known = facilities.setdefault(row.company, {})
        if row.facility in known:
            raise HarnessError(
                f"{row.facility!r} of {row.company!r} stands in line {known[row.facility].line} too",
                where=f"{path}, line {row.line}",
            )
        known[row.facility] = row
    return columns, {name: _truth(name, tuple(each.values())) for name, each in facilities.items()}


def _truth(company: str, rows: Sequence[_Row]) -> Truth:
    return Truth(
        Company(company, ()),
        tuple(Facility(row.facility, amount=row.cells.get("credit_limit", "")) for row in rows),
        {(row.facility, key): TrueValue(cell, ()) for row in rows for key, cell in row.cells.items()},
        {},
        {},
    )


def _extracted(key: str, cell: str | None, is_column: bool) -> Value:
    if cell is None:
        return Value(key, "NOT_FOUND" if is_column else "NOT_EXTRACTED")
    return Value(key, "FOUND", cell, 1.0)


def _read(path: Path) -> tuple[tuple[str, ...], list[_Row]]:
    """(field columns, rows); raises HarnessError."""
    try:
        with path.open(encoding=_WITH_OR_WITHOUT_MARK, newline="") as file:
            return _rows(path, file.read())
    except OSError as error:
        raise HarnessError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise HarnessError(
            f"byte {error.start} is no UTF-8", where=str(path), next_step="save the table as CSV in UTF-8"
        ) from None


def _rows(path: Path, text: str) -> tuple[tuple[str, ...], list[_Row]]:
    head = text.split("\n", 1)[0]
    # no splitlines: it would also break at signs that a cell may hold
    delimiter = ";" if head.count(";") > head.count(",") else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(lines, [])]
        _check_names(path, names)
        rows = [_row(path, lines.line_num, names, cells) for cells in lines if any(map(str.strip, cells))]
    except csv.Error as error:
        raise HarnessError(f"no CSV: {error}", where=f"{path}, line {lines.line_num}") from None
    return tuple(key for key in FIELDS if key in names), rows


def _check_names(path: Path, names: Sequence[str]) -> None:
    where = f"{path}, line 1"
    for name in (COMPANY, FACILITY):
        if name not in names:
            raise HarnessError(f"there is no column {name!r}", where=where)
    for number, name in enumerate(names, 1):
        if names.index(name) < number - 1:
            raise HarnessError(f"there are two columns {name!r}", where=f"{where}, column {number}")
        if name not in FIELDS and name not in (COMPANY, FACILITY) and name not in _OTHERS:
            raise HarnessError(
                f"{name!r} is no field",
                where=f"{where}, column {number}",
                allowed=f"{COMPANY}, {FACILITY}, and keys of fields such as {', '.join(list(FIELDS)[3:6])}",
            )
    if not any(name in FIELDS for name in names):
        raise HarnessError("there is no column of a field", where=where, allowed=", ".join(FIELDS))


def _row(path: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> _Row:
    where = f"{path}, line {line}"
    if len(cells) != len(names):
        raise HarnessError(f"{len(cells)} cells under {len(names)} columns", where=where)
    row = {name: _plain(cell) for name, cell in zip(names, cells, strict=True)}
    for name in (COMPANY, FACILITY):
        if not row[name]:
            raise HarnessError(f"the {name} has no name", where=f"{where}, column {name}")
    values = {key: row[key] for key in FIELDS if key in row and row[key] not in _NO_VALUE}
    return _Row(line, row[COMPANY], row[FACILITY], values)


def _plain(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from running a cell."""
    plain = cell.strip()
    return plain[1:].strip() if plain[:1] == "'" and plain[1:2] in _FORMULA else plain
