"""The run document (results.json, schema_version 1): its shape, its validation, its reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypedDict

from harness.errors import EXIT_BASELINE, HarnessError
from harness.measure.outcome import Cell
from harness.results.records import SCHEMA_VERSION, JsonDict, cell_from_json, cell_to_json, plain


class Run(TypedDict):
    """Which run; times are ISO 8601, `budget_s` seconds, `finished` and `exit_code` null until it ends."""

    id: str
    started: str
    finished: str | None
    commit: str
    dirty: bool
    command: list[str]
    seed: int
    budget_s: float
    gate: Literal["default", "strict", "off"]
    exit_code: int | None
    selected_rows: list[str]


class Machine(TypedDict):
    """Where it ran. `noise_floor` is a relative effect, `load` the 1, 5 and 15 minute averages."""

    hardware: str
    fingerprint: str
    cpu: JsonDict
    gpus: list[JsonDict]
    os: str
    python: str
    packages: dict[str, str]
    load: list[float]
    noise_floor: float | None
    isolated: bool


class Micro(TypedDict):
    """One plain pytest-benchmark measurement; durations in seconds."""

    nodeid: str
    group: str | None
    hardware: str
    rounds: int
    iterations: int
    median_s: float
    iqr_s: float
    min_s: float
    provenance: Literal["measured"]


class Vanished(TypedDict):
    """A committed baseline whose benchmark no longer exists."""

    nodeid: str
    detail: str


class RunDocument(TypedDict):
    """One run of results.json."""

    schema_version: Literal[1]
    run: Run
    machine: Machine
    cells: list[JsonDict]
    micro: list[Micro]
    vanished: list[Vanished]


def run_document(
    run: Run,
    machine: Machine,
    cells: Iterable[Cell],
    micro: Sequence[Micro] = (),
    vanished: Sequence[Vanished] = (),
) -> RunDocument:
    """The document of one run, cells in nodeid order. Raises HarnessError for figures JSON cannot hold."""
    document: RunDocument = {
        "schema_version": SCHEMA_VERSION,
        "run": plain(run, "run"),
        "machine": plain(machine, "machine"),
        "cells": [cell_to_json(cell) for cell in sorted(cells, key=lambda cell: cell.nodeid)],
        "micro": plain(sorted(micro, key=lambda entry: entry["nodeid"]), "micro"),
        "vanished": plain(sorted(vanished, key=lambda entry: entry["nodeid"]), "vanished"),
    }
    validate_results(document, run["id"])
    return document


def cells_of(document: RunDocument) -> list[Cell]:
    """The document's cells, without samples."""
    return [cell_from_json(cell) for cell in document["cells"]]


def validate_results(document: Any, where: str) -> None:
    """Raise HarnessError unless `document` is a run document or a merge of several.

    The message names `where` (a file), the JSON path of the first fault and what is allowed there.
    """
    _check_version(document, where)
    _validate(document, "results.schema.json", where)


def validate_baselines(document: Any, where: str) -> None:
    """Raise HarnessError (exit 13) unless `document` is a baselines file; see `validate_results`."""
    try:
        _check_version(document, where)
        _validate(document, "baselines.schema.json", where)
    except HarnessError as error:
        error.exit_code = EXIT_BASELINE
        raise


def read_json(path: Path, next_step: str) -> Any:
    """Parsed file. Raises HarnessError with `next_step` when it is unreadable or cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise HarnessError(reason, where=str(path), next_step=next_step) from None
    except ValueError as error:
        what = f"damaged or cut short, not JSON ({error})"
        raise HarnessError(what, where=str(path), next_step=next_step) from None


def json_text(document: Any) -> str:
    """Sorted, indented, newline at the end: the same data always gives the same bytes."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def validate_part(document: Any, part: str, where: str) -> None:
    """Raise HarnessError unless `document` is the definition `part` of the results schema."""
    _check_version(document, where)
    _validate(document, "results.schema.json", where, part)


def _validate(document: Any, schema_name: str, where: str, part: str = "") -> None:
    faults = sorted(_validator(schema_name, part).iter_errors(document), key=lambda fault: fault.json_path)
    if faults:
        fault = faults[0]
        raise HarnessError(
            fault.message if len(fault.message) <= 200 else fault.message[:200] + "...",
            where=f"{where}: {fault.json_path}",
            allowed=_allowed(fault),
            next_step="repair the file, or measure again",
        )


@cache
def _validator(schema_name: str, part: str) -> Any:
    # jsonschema takes a tenth of a second to import; collection does not need it
    from jsonschema import Draft202012Validator

    schema = json.loads(resources.files("harness.results").joinpath(schema_name).read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]} if part else schema)


def _check_version(document: Any, where: str) -> None:
    if not isinstance(document, dict):
        raise HarnessError("not a table", where=f"{where}: $", allowed="an object with schema_version 1")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise HarnessError(
            f"schema_version is {version!r}",
            where=f"{where}: $.schema_version",
            allowed=str(SCHEMA_VERSION),
            next_step="read it with the version of the harness that wrote it, or measure again",
        )


def _allowed(fault: Any) -> str:
    """What the schema allows where `fault` was found, in words."""
    match fault.validator:
        case "enum":
            return ", ".join(json.dumps(value) for value in fault.validator_value)
        case "const":
            return json.dumps(fault.validator_value)
        case "type":
            kinds = fault.validator_value
            return kinds if isinstance(kinds, str) else " or ".join(kinds)
        case "required":
            return "all of " + ", ".join(fault.validator_value)
        case "additionalProperties" if fault.validator_value is False:
            return ", ".join(sorted(fault.schema.get("properties", {})))
        case "pattern":
            return f"text matching {fault.validator_value}"
        case keyword:
            return f"{keyword} {json.dumps(fault.validator_value)[:100]}"
