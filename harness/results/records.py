"""Cells as plain JSON dicts and back, without loss.

JSON has no infinity: an interval open at an end holds null there. NaN, and infinity anywhere else,
never reach a file; they raise HarnessError, because a report would show them as a figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from harness.errors import HarnessError
from harness.measure.outcome import Cell, ClaimFinding, Effect, Finding, GateResult, Sample

SCHEMA_VERSION: Final = 1
SAMPLE_FIELDS = ("metric", "arm", "round", "order", "value")

JsonDict = dict[str, Any]


def plain(value: Any, where: str) -> Any:
    """`value` as JSON data: numpy scalars become Python's, tuples lists.

    Raises HarnessError, naming `where`, for NaN, infinity and anything JSON cannot hold.
    """
    if hasattr(value, "item") and not isinstance(value, (str, bytes)) and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise HarnessError(
            f"{value} is not a figure that can be stored",
            where=where,
            allowed="finite numbers, or nothing at all",
            next_step="leave the figure out when it could not be found",
        )
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    raise HarnessError(
        f"{type(value).__name__} cannot be stored",
        where=where,
        allowed="numbers, strings, booleans, null, lists, tables with string keys",
        next_step="parametrize with a plain value and build the object inside the benchmark",
    )


def cell_to_json(cell: Cell) -> JsonDict:
    """The cell without its samples. Raises HarnessError for a figure JSON cannot hold."""
    record = {name: getattr(cell, name) for name in Cell.__dataclass_fields__ if name != "samples"}
    record["findings"] = []
    document: JsonDict = plain(record, cell.nodeid)
    document["findings"] = [_finding_to_json(finding, cell.nodeid) for finding in cell.findings]
    return document


def cell_from_json(document: JsonDict, samples: Sequence[Sample] = ()) -> Cell:
    """The cell that `cell_to_json` wrote, with `samples` put back when they are at hand."""
    findings = tuple(_finding_from_json(finding) for finding in document["findings"])
    return Cell(**{**document, "findings": findings, "samples": tuple(samples)})


def samples_to_json(cell: Cell) -> list[list[Any]]:
    """One row of `SAMPLE_FIELDS` per sample, in order."""
    rows = [[getattr(sample, name) for name in SAMPLE_FIELDS] for sample in cell.samples]
    return [plain(row, f"{cell.nodeid}: samples[{index}]") for index, row in enumerate(rows)]


def samples_from_json(rows: Sequence[Sequence[Any]]) -> tuple[Sample, ...]:
    """The samples that `samples_to_json` wrote."""
    return tuple(Sample(*row) for row in rows)


def _finding_to_json(finding: Finding, nodeid: str) -> JsonDict:
    record = asdict(finding)
    for interval in (record["effect"], record["canary"], *record["claims"]):
        if interval is not None:
            _close(interval)
    document: JsonDict = plain(record, f"{nodeid}: {finding.metric}")
    return document


def _finding_from_json(document: JsonDict) -> Finding:
    record = dict(document)
    for name in ("effect", "canary"):
        if record[name] is not None:
            record[name] = Effect(**_opened(record[name]))
    record["claims"] = tuple(ClaimFinding(**_opened(claim)) for claim in record["claims"])
    record["gate_result"] = GateResult(**record["gate_result"])
    return Finding(**record)


def _close(interval: JsonDict) -> None:
    if interval["low"] == -math.inf:
        interval["low"] = None
    if interval["high"] == math.inf:
        interval["high"] = None


def _opened(interval: JsonDict) -> JsonDict:
    low, high = interval["low"], interval["high"]
    return {**interval, "low": -math.inf if low is None else low, "high": math.inf if high is None else high}
