"""What a run leaves in --output: tables, a JSON document, a review page for each company, what it cost."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.calls.tally import Tally
from harness.errors import HarnessError
from harness.extraction.command.inputs import Inputs
from harness.extraction.output.review import review_page
from harness.extraction.output.tables import document, evidence_csv, facilities_csv
from harness.extraction.reading.reader import ModelReader
from harness.extraction.result import CompanyResult
from harness.models.checkpoint import write_bytes
from harness.render.sections import html_page

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
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise HarnessError(
            f"the results cannot be written: {error.strerror}",
            where=str(folder),
            next_step="give another --output",
        ) from None
    return "\n".join([*_summary(results, tally), *notes, *_where(folder, pages)]) + "\n"


def json_text(found: Any) -> str:
    """Indented JSON."""
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _page_names(results: Sequence[CompanyResult]) -> list[str]:
    """A file name for each company that no file system minds, and no two alike."""
    names: list[str] = []
    for result in results:
        plain = re.sub(r"[^\w.-]+", "_", result.company.name).strip("._") or "company"
        name = plain
        while f"{name}.html" in names:
            name = f"{name}_"
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
        lines += [f"  {note}" for note in result.notes]
    total = tally.total()
    lines.append(
        f"{total.calls:,} calls asked now, {total.earlier_calls:,} by earlier processes of this run, "
        f"{total.cache_hits:,} answered from the cache, {total.retries:,} retries"
    )
    return lines


def _where(folder: Path, pages: Sequence[str]) -> list[str]:
    return [f"table: {folder / FACILITIES}", *(f"review: {folder / 'review' / page}" for page in pages)]
