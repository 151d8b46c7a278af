"""A company as a folder: its documents as text files, its truth beside them in truth.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import HarnessError
from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.corpus.layout import pages_of
from harness.extraction.truth import TrueValue, Truth
from harness.models.checkpoint import write_bytes

TRUTH = "truth.json"
_FORMAT = 1
_T = TypeVar("_T")


def write_company(truth: Truth, folder: Path) -> None:
    """Write the documents, then truth.json. The folder is made; files of other names stay.

    Raises HarnessError where that cannot be done, also for pages that a text file cannot keep: they begin
    after form feeds.
    """
    for document in truth.company.documents:
        if document.pages != pages_of(document.text) or "\r" in document.text:
            raise HarnessError("its pages or line breaks cannot be kept in a text file", where=document.name)
    try:
        for document in truth.company.documents:
            path = folder / document.name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, document.text.encode())
        write_bytes(folder / TRUTH, truth_json(truth).encode())
    except OSError as error:
        raise HarnessError(f"cannot be written: {error.strerror}", where=str(folder)) from None


def truth_json(truth: Truth) -> str:
    """The truth without the texts: a value to a line, spans as offsets into the company's text."""
    values = [
        {"facility": owner, "field": key, **_value_document(value)}
        for (owner, key), value in truth.values.items()
    ]
    found = {
        "format": _FORMAT,
        "company": truth.company.name,
        "documents": [{"name": each.name, "sha256": _digest(each.text)} for each in truth.company.documents],
        "facilities": [
            {
                "name": each.name,
                "type": each.type,
                "amount": each.amount,
                "spans": _spans(truth.facility_spans.get(each.name, ())),
            }
            for each in truth.facilities
        ],
        "references": [{"field": key, "spans": _spans(spans)} for key, spans in truth.references.items()],
        "baits": [
            {"facility": owner, "field": key, "lures": _lures(lures)}
            for (owner, key), lures in truth.baits.items()
        ],
        "values": values,
    }
    rows = []
    for key, content in found.items():
        if isinstance(content, list):
            shown = ",\n".join(f"  {_line(each)}" for each in content)
            rows.append(f'"{key}": [\n{shown}\n ]' if content else f'"{key}": []')
        else:
            rows.append(f'"{key}": {_line(content)}')
    return "{\n " + ",\n ".join(rows) + "\n}\n"


def read_truth(folder: Path) -> Truth:
    """The company of a folder and what is true of it.

    Raises HarnessError when truth.json or a document is missing, when truth.json is not of this form, and
    when a document is not the one that the truth was written for.
    """
    path = folder / TRUTH
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarnessError(
            f"there is no {TRUTH}",
            where=str(folder),
            next_step="`harness corpus generate` writes companies that have one",
        ) from None
    except (OSError, ValueError) as error:
        raise HarnessError(f"no readable JSON: {error}", where=str(path)) from None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise HarnessError("is no truth of this version", where=str(path), allowed=f'"format": {_FORMAT}')
    try:
        documents = tuple(_document(folder, each["name"], each["sha256"]) for each in found["documents"])
        return _truth(found, Company(found["company"], documents))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HarnessError(
            f"is not of the form that is written: {type(error).__name__} {error}", where=str(path)
        ) from None


def _truth(found: Mapping[str, Any], company: Company) -> Truth:
    span = _span_reader(len(company.text))
    facilities = found["facilities"]
    return Truth(
        company,
        tuple(Facility(str(each["name"]), str(each["type"]), str(each["amount"])) for each in facilities),
        {(each["facility"], each["field"]): _value(each, span) for each in found["values"]},
        {each["name"]: tuple(map(span, each["spans"])) for each in facilities},
        {each["field"]: tuple(map(span, each["spans"])) for each in found["references"]},
        {(each["facility"], each["field"]): _read_lures(each["lures"], span) for each in found["baits"]},
    )


def _document(folder: Path, name: str, digest: str) -> Document:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise HarnessError(f"a document lies outside the folder: {name}", where=str(folder / TRUTH))
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise HarnessError("the document is missing", where=str(path)) from None
    except (OSError, ValueError) as error:
        raise HarnessError(f"cannot be read: {error}", where=str(path)) from None
    if _digest(text) != digest:
        raise HarnessError(
            "is not the text that the truth was written for",
            where=str(path),
            next_step="restore the file, or generate the company anew",
        )
    return Document(name, text, pages_of(text))


def _value_document(value: TrueValue) -> dict[str, Any]:
    """Without what is empty."""
    document: dict[str, Any] = {"value": value.value, "spans": [_spans(spans) for spans in value.spans]}
    more = {
        "renderings": list(value.renderings),
        "tags": list(value.tags),
        "superseded": list(value.superseded),
        "distractors": _lures(value.distractors),
        "marks": _spans(value.marks),
    }
    return document | {key: content for key, content in more.items() if content}


def _value(found: Mapping[str, Any], span: Callable[[Any], Passage]) -> TrueValue:
    return TrueValue(
        str(found["value"]),
        tuple(tuple(map(span, spans)) for spans in found["spans"]),
        _texts(found.get("renderings", ())),
        _texts(found.get("tags", ())),
        _texts(found.get("superseded", ())),
        _read_lures(found.get("distractors", ()), span),
        tuple(map(span, found.get("marks", ()))),
    )


def _span_reader(length: int) -> Callable[[Any], Passage]:
    """Reads [start, end]; raises ValueError for what is no stretch of the text."""

    def span(found: Any) -> Passage:
        start, end = found
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= length):
            raise ValueError(f"{found} is no span of a text of {length} characters")
        return Passage(start, end)

    return span


def _spans(spans: Sequence[Passage]) -> list[list[int]]:
    return [[each.start, each.end] for each in spans]


def _lures(lures: Sequence[tuple[str, Passage, str]]) -> list[list[Any]]:
    return [[kind, [span.start, span.end], value] for kind, span, value in lures]


def _read_lures(found: Any, span: Callable[[Any], Passage]) -> tuple[tuple[str, Passage, str], ...]:
    return tuple((str(kind), span(where), str(value)) for kind, where, value in found)


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise TypeError(f"{found!r} is no list of texts")
    return tuple(found)


def _line(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(", ", ": "))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
