"""What a run leaves in --output: tables, a JSON document, a review page for each company, what it cost."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from harness.calls.tally import Tally
from harness.errors import EXIT_BAD_INPUT, EXIT_INFRASTRUCTURE, HarnessError
from harness.extraction.command.inputs import Inputs
from harness.extraction.output.review import review_page
from harness.extraction.output.tables import document, evidence_csv, facilities_csv
from harness.extraction.reading.reader import ModelReader
from harness.extraction.result import CompanyResult
from harness.render.sections import html_page

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_LONGEST_NAME = 150  # bytes, of the 255 that file systems allow
FACILITIES, EVIDENCE, RESULT, SPENT = "facilities.csv", "evidence.csv", "result.json", "spent.json"


def write_results(
    asked: argparse.Namespace,
    inputs: Inputs,
    results: Sequence[CompanyResult],
    reader: ModelReader,
    notes: Sequence[str],
    tally: Tally,
) -> str:
    """Write all files; the text for the terminal. The same answers give the same tables and the same JSON."""
    folder: Path = asked.output
    files = {
        FACILITIES: facilities_csv(results),
        EVIDENCE: evidence_csv(results),
        RESULT: json_text(document(results)),
        SPENT: json_text({"reader": reader.name, "provenance": reader.provenance, **tally.document()}),
    }
    pages = _page_names(results)
    for result, name in zip(results, pages, strict=True):
        files[f"review/{name}"] = html_page(review_page(result, reader.provenance))
    try:
        _write_together(
            {folder / name: text.encode("utf-8", "backslashreplace") for name, text in files.items()}
        )
    except OSError as error:
        is_full = error.errno in _NO_ROOM
        raise HarnessError(
            f"the results cannot be written: {error.strerror}",
            where=str(error.filename2 or error.filename or folder),
            next_step="--resume writes them and asks for nothing again, once there is room"
            if is_full
            else "put that right; --resume then writes them and asks for nothing again",
            exit_code=EXIT_INFRASTRUCTURE if is_full else EXIT_BAD_INPUT,
        ) from None
    return "\n".join([*_summary(results, tally), *notes, *_where(folder, pages)]) + "\n"


def _write_together(files: Mapping[Path, bytes]) -> None:
    """All files, or where the disk is full none: none has its name before all are written. OSError."""
    partial = {path: path.with_name(f"{path.name}.{os.getpid()}.partial") for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            partial[path].write_bytes(content)
        for path, written in partial.items():
            written.replace(path)
    finally:
        for written in partial.values():
            with suppress(OSError):
                written.unlink(missing_ok=True)


def json_text(found: Any) -> str:
    """Indented JSON."""
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _page_names(results: Sequence[CompanyResult]) -> list[str]:
    """A file name for each company that no file system minds, and no two alike, even without their case."""
    names: list[str] = []
    taken: set[str] = set()
    for result in results:
        plain = re.sub(r"[^\w.-]+", "_", result.company.name).strip("._") or "company"
        plain = plain.encode()[:_LONGEST_NAME].decode(errors="ignore")
        name = plain
        for number in count(2):
            if unicodedata.normalize("NFKC", name).casefold() not in taken:
                break
            name = f"{plain}_{number}"
        taken.add(unicodedata.normalize("NFKC", name).casefold())
        names.append(f"{name}.html")
    return names


def _summary(results: Sequence[CompanyResult], tally: Tally) -> list[str]:
    lines = []
    for result in results:
        values = [value for each in result.facilities for value in each.values.values()]
        found = sum(value.status == "FOUND" for value in values)
        conflicts = sum(value.status == "CONFLICT" for value in values)
        grounded = sum(value.evidence is not None for value in values)
        lines.append(
            f"{result.company.name}: {len(result.facilities)} facilities, {found} values found, {conflicts} "
            f"in conflict, {grounded} with evidence; {result.calls:,} calls, {result.tokens:,} tokens"
        )
        if errors := errors_of(result):
            lines.append(f"  {errors} fields had no answer that could be read: EXTRACTION_ERROR")
        lines += [f"  {note}" for note in result.notes]
    total = tally.total()
    lines.append(
        f"{total.calls:,} calls asked now, {total.earlier_calls:,} by earlier processes of this run, "
        f"{total.cache_hits:,} answered from the cache, {total.retries:,} retries"
    )
    return lines


def errors_of(result: CompanyResult) -> int:
    """The fields that nothing readable was said of, though they were asked for."""
    values = (value for each in result.facilities for value in each.values.values())
    return sum(value.status == "EXTRACTION_ERROR" for value in values)


def _where(folder: Path, pages: Sequence[str]) -> list[str]:
    return [f"table: {folder / FACILITIES}", *(f"review: {folder / 'review' / page}" for page in pages)]
