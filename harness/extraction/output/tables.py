"""Results as tables: one row for each facility, and one for each of its fields with the evidence."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.extraction.asks import Passage
from harness.extraction.result import CompanyResult, FacilityResult, Value
from harness.extraction.schema.fields import FIELDS

FACILITY_COLUMNS = (
    "company",
    "facility",
    "confidence",
    "fields_found",
    "fields_in_conflict",
    "files",
    "notes",
)
EVIDENCE_COLUMNS = (
    "company", "facility", "field", "status", "value", "confidence", "file", "page", "start", "end", "quote",
    "others",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, its wide forms and white space in front too."""
_BREAK = re.compile(r"\r\n?")
_STATES = ("FOUND", "CONFLICT")


def facility_rows(results: Sequence[CompanyResult]) -> Iterator[dict[str, str]]:
    """The table of values: metadata, then every field of the schema by its key.

    A cell holds the value where there is one, else the status. `confidence` is the mean over values that were
    found, which says nothing of how many were: `fields_found` does.
    """
    for result in results:
        files = "; ".join(document.name for document in result.company.documents)
        for each in result.facilities:
            found = [value for value in each.values.values() if value.status in _STATES]
            mean = sum(value.confidence for value in found) / len(found) if found else 0.0
            yield {
                "company": result.company.name,
                "facility": each.facility.name,
                "confidence": f"{mean:.3f}",
                "fields_found": str(len(found)),
                "fields_in_conflict": str(sum(value.status == "CONFLICT" for value in found)),
                "files": files,
                "notes": "; ".join(result.notes),
                **{key: _cell(each.values.get(key)) for key in FIELDS},
            }


def evidence_rows(results: Sequence[CompanyResult]) -> Iterator[dict[str, str]]:
    """The table of evidence: every field of every facility, with where its value stands.

    `start` and `end` are characters of the file's text; file and page are empty where nothing was grounded.
    """
    for result in results:
        for each in result.facilities:
            for key in FIELDS:
                value = each.values.get(key)
                if value is not None:
                    yield _evidence_row(result, each, value)


def _evidence_row(result: CompanyResult, each: FacilityResult, value: Value) -> dict[str, str]:
    span = value.evidence
    place = None if span is None else result.company.place(span.start, span.end)
    where = ("", "", "", "") if place is None else (place.file, place.page, place.start, place.end)
    return dict(
        zip(
            EVIDENCE_COLUMNS,
            (
                result.company.name, each.facility.name, value.field, value.status, value.value,
                f"{value.confidence:.3f}", *map(str, where), value.quote,
                " | ".join(other.value for other in value.others),
            ),
            strict=True,
        )
    )  # fmt: skip


def csv_text(columns: Sequence[str], rows: Iterator[Mapping[str, str]]) -> str:
    """CSV with a head. A cell that a spreadsheet would run as a formula gets an apostrophe in front; line
    breaks in cells are of one kind, for a bare return would end the row."""
    written = io.StringIO()
    table = csv.DictWriter(written, columns, lineterminator="\n")
    table.writeheader()
    table.writerows({name: _harmless(_BREAK.sub("\n", cell)) for name, cell in row.items()} for row in rows)
    return written.getvalue()


def facilities_csv(results: Sequence[CompanyResult]) -> str:
    """The table of values as CSV."""
    return csv_text((*FACILITY_COLUMNS, *FIELDS), facility_rows(results))


def evidence_csv(results: Sequence[CompanyResult]) -> str:
    """The table of evidence as CSV."""
    return csv_text(EVIDENCE_COLUMNS, evidence_rows(results))


def document(results: Sequence[CompanyResult]) -> dict[str, Any]:
    """Everything as JSON: companies, facilities, fields with status, value, span, page and confidence."""
    return {
        "companies": [
            {
                "company": result.company.name,
                "digest": result.company.digest,
                "facilities": [_facility(result, each) for each in result.facilities],
                "costs": [
                    {name: getattr(cost, name) for name in cost.__slots__ if name != "latency_s"}
                    for cost in result.costs
                ],
                "notes": list(result.notes),
            }
            for result in results
        ]
    }


def _facility(result: CompanyResult, each: FacilityResult) -> dict[str, Any]:
    facility = each.facility
    return {
        "name": facility.name,
        "type": facility.type,
        "amount": facility.amount,
        "fields": {key: _field(result, value) for key, value in each.values.items()},
    }


def _field(result: CompanyResult, value: Value) -> dict[str, Any]:
    return {
        "status": value.status,
        "value": value.value,
        "confidence": round(value.confidence, 6),
        "quote": value.quote,
        "evidence": _evidence(result, value.evidence),
        "others": [
            {
                "value": other.value,
                "confidence": round(other.confidence, 6),
                "quote": other.quote,
                "evidence": _evidence(result, other.evidence),
            }
            for other in value.others
        ],
    }


def _evidence(result: CompanyResult, span: Passage | None) -> dict[str, Any] | None:
    place = None if span is None else result.company.place(span.start, span.end)
    if place is None:
        return None
    return {"file": place.file, "page": place.page, "start": place.start, "end": place.end}


def _cell(value: Value | None) -> str:
    if value is None:
        return "NOT_EXTRACTED"
    return value.value if value.status in _STATES else value.status


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip("%x").replace(",", ""))
    except ValueError:
        return False
    return True
