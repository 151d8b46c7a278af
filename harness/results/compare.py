"""Two runs side by side (`harness compare A B`), and several machines' runs in one report."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import pandas as pd

from harness.errors import HarnessError
from harness.measure.outcome import Cell, Finding
from harness.results.change import change_interval, log_change
from harness.results.documents import RunDocument, cells_of, read_json, validate_results
from harness.results.records import SCHEMA_VERSION
from harness.results.runs import read_run
from harness.results.store import params_text

COMPARE_COLUMNS = (
    "nodeid", "optimization", "params", "hardware", "metric", "unit", "better", "gate", "provenance",
    "ratio_a", "ratio_b", "change", "change_low", "change_high",
    "baseline_a", "baseline_b", "optimized_a", "optimized_b", "moved", "refused",
)  # fmt: skip

Moved = Literal["better", "worse", "no difference", "not compared"]


class MergedDocument(TypedDict):
    """Several runs as one document."""

    schema_version: Literal[1]
    runs: list[RunDocument]


def compare_runs(a: RunDocument, b: RunDocument) -> pd.DataFrame:
    """What changed from run `a` to run `b`: one row per cell and metric, with `COMPARE_COLUMNS`.

    `change` is the effect of `b` over the effect of `a` with its 99 % interval (for exact and
    modelled figures, optimized over optimized without one; for a bounded metric the losses stand
    side by side and `change` stays missing). `moved` is worse or better only beyond that interval.
    What cannot be compared stays in the table, with the reason in `refused`.
    """
    left, right = _by_key(a), _by_key(b)
    rows = [_row(key, left.get(key), right.get(key)) for key in sorted({*left, *right})]
    rows = [_explain_other_row(row, left, right) for row in rows]
    return pd.DataFrame(rows, columns=list(COMPARE_COLUMNS))


def merge_documents(documents: Iterable[RunDocument | MergedDocument]) -> MergedDocument:
    """One document of several runs, in order of start; the same run given twice counts once.

    Two runs of the same cell are both kept, told apart by their run ids. Raises HarnessError for
    another schema_version, a malformed document, no document, or two different runs of one id.
    """
    runs: dict[str, RunDocument] = {}
    for index, document in enumerate(documents):
        validate_results(document, _name(document, index))
        for run in cast(Any, document).get("runs", [document]):
            known = runs.setdefault(run["run"]["id"], run)
            if known != run:
                raise HarnessError(
                    "two different runs have this id",
                    where=run["run"]["id"],
                    allowed="one run per id",
                    next_step="leave one of them out",
                )
    if not runs:
        raise HarnessError("no run to merge", allowed="at least one run folder or results.json")
    ordered = sorted(runs.values(), key=lambda run: (run["run"]["started"], run["run"]["id"]))
    return {"schema_version": SCHEMA_VERSION, "runs": ordered}


def read_documents(paths: Iterable[Path]) -> list[RunDocument]:
    """The runs at `paths`: run folders, results.json files, and merged documents, which are taken apart.

    Raises HarnessError for the first that cannot be read.
    """
    runs: list[RunDocument] = []
    for path in paths:
        if path.is_file():
            document = read_json(path, "name a run folder or its results.json")
            validate_results(document, str(path))
            runs += document.get("runs", [document])
        else:
            runs.append(read_run(path))
    return runs


_Key = tuple[str, str, str, str, str]
_Side = tuple[Cell, Finding]


def _by_key(document: RunDocument) -> dict[_Key, _Side]:
    """Findings by (optimization, params, metric, hardware, nodeid)."""
    return {
        (cell.optimization, params_text(cell.params), finding.metric, cell.hardware, cell.nodeid): (
            cell,
            finding,
        )
        for cell in cells_of(document)
        for finding in cell.findings
    }


def _row(key: _Key, a: _Side | None, b: _Side | None) -> dict[str, Any]:
    optimization, params, metric, hardware, nodeid = key
    finding = next(side for side in (b, a) if side is not None)[1]
    row: dict[str, Any] = {
        "nodeid": nodeid,
        "optimization": optimization,
        "params": params,
        "hardware": hardware,
        "metric": metric,
        "unit": finding.unit,
        "better": finding.better,
        "gate": finding.gate,
        "provenance": finding.provenance,
        "moved": "not compared",
        "refused": _refusal(a, b),
    }
    for side, name in ((a, "a"), (b, "b")):
        if side is not None:
            effect = side[1].effect
            row[f"ratio_{name}"] = effect.ratio if effect else math.nan
            row[f"baseline_{name}"] = side[1].baseline
            row[f"optimized_{name}"] = side[1].optimized
    if a is not None and b is not None and not row["refused"]:
        row |= _change(a[1], b[1])
    return row


def _refusal(a: _Side | None, b: _Side | None) -> str:
    """Why the two sides cannot be compared, or nothing."""
    if a is None or b is None:
        return "only in A" if b is None else "only in B"
    if a[0].benchmark_hash != b[0].benchmark_hash:
        return "the benchmark differs"
    if a[0].workload_hash != b[0].workload_hash:
        return "the workload differs"
    if a[1].provenance != b[1].provenance:
        return f"provenance differs: {a[1].provenance} and {b[1].provenance}"
    if a[0].model != b[0].model:
        return f"the model differs: {a[0].model} and {b[0].model}"
    return ""


def _change(a: Finding, b: Finding) -> dict[str, Any]:
    if b.gate == "bounded":
        return {"moved": _beyond(a, b)}
    if b.gate == "exact" or b.provenance == "modelled":
        return _counted_change(a, b)
    change = log_change(a.effect, b.effect) if a.effect and b.effect else None
    if change is None:
        return {"refused": "no interval on one side"}
    ratio, low, high = change_interval(change)
    moved: Moved = "no difference"
    if low > 1.0 or high < 1.0:
        moved = "worse" if (low > 1.0) == (b.better == "lower") else "better"
    return {"change": ratio, "change_low": low, "change_high": high, "moved": moved}


def _counted_change(a: Finding, b: Finding) -> dict[str, Any]:
    if a.optimized is None or b.optimized is None:
        return {"refused": "no figure on one side"}
    moved: Moved = "no difference"
    if a.optimized != b.optimized:
        moved = "worse" if (b.optimized > a.optimized) == (b.better == "lower") else "better"
    return {"change": b.optimized / a.optimized if a.optimized else math.nan, "moved": moved}


def _beyond(a: Finding, b: Finding) -> Moved:
    """Whether the loss intervals are apart."""
    if a.effect is None or b.effect is None:
        return "not compared"
    if b.effect.low > a.effect.high:
        return "worse"
    return "better" if b.effect.high < a.effect.low else "no difference"


def _explain_other_row(
    row: dict[str, Any], left: dict[_Key, _Side], right: dict[_Key, _Side]
) -> dict[str, Any]:
    """Say so when the other run has the same cell, but of another hardware row."""
    other = {"only in A": right, "only in B": left}.get(row["refused"])
    if other is None:
        return row
    cell = (row["optimization"], row["params"], row["metric"])
    rows = sorted({key[3] for key in other if key[:3] == cell} - {row["hardware"]})
    return {**row, "refused": f"{row['refused']}; the other has it on {', '.join(rows)}"} if rows else row


def _name(document: Any, index: int) -> str:
    try:
        return str(document["run"]["id"])
    except (KeyError, TypeError):
        return f"document {index + 1}"
