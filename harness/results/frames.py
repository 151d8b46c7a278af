"""Runs as tidy pandas tables: samples, findings, before/after, claims, history.

Provenance is part of every key: a measured and a modelled figure are different rows, and dividing
one by the other raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import HarnessError
from harness.measure.outcome import Cell, ClaimFinding, Finding
from harness.results.documents import RunDocument, cells_of
from harness.results.store import SAMPLE_COLUMNS, SAMPLES, load_cells, params_text, sample_rows

RUN_COLUMNS = ("run", "started", "commit", "dirty", "fingerprint")
CELL_COLUMNS = (
    "nodeid", "test", "optimization", "title", "role", "hardware", "params", "state", "cell_reason",
    "fidelity", "benchmark_hash", "workload_hash", "engine", "model", "seed",
)  # fmt: skip
FINDING_COLUMNS = (
    "metric", "unit", "better", "gate", "provenance", "verdict", "reason", "clock", "rounds",
    "baseline", "optimized", "ratio", "low", "high", "confidence", "p", "q", "mde80",
    "limit", "floor", "gate_state", "gate_detail",
)  # fmt: skip
CLAIM_COLUMNS = (
    "run", "optimization", "title", "role", "hardware", "params", "nodeid", "metric", "unit", "provenance",
    "kind", "claim_low", "claim_high", "found", "low", "high", "claim_state", "verdict", "source", "quote",
)  # fmt: skip
FIGURES = ("baseline", "optimized", "ratio", "low", "high", "verdict")

_NUMBERS = {
    "baseline", "optimized", "ratio", "low", "high", "confidence", "p", "q", "mde80", "limit", "floor",
    "claim_low", "claim_high", "found",
}  # fmt: skip
_KEY = ["optimization", "test", "params", "metric", "unit", "provenance"]


def samples_frame(run_dirs: Iterable[Path]) -> pd.DataFrame:
    """Every sample of the runs, one row each, with `SAMPLE_COLUMNS`; works for runs that never finished."""
    frames = [_samples_of(run_dir) for run_dir in run_dirs]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(SAMPLE_COLUMNS))


def findings_frame(documents: Iterable[RunDocument]) -> pd.DataFrame:
    """One row per run, cell and metric; a cell without findings keeps one row, its metric missing.

    For a bounded metric `ratio`, `low` and `high` hold the loss, to read against `limit`.
    """
    rows = [
        {**_run_fields(document), **_cell_fields(cell), **_finding_fields(finding)}
        for document in documents
        for cell in cells_of(document)
        for finding in (cell.findings or (None,))
    ]
    return _table(rows, [*RUN_COLUMNS, *CELL_COLUMNS, *FINDING_COLUMNS])


def before_after(findings: pd.DataFrame) -> pd.DataFrame:
    """Pivot of a findings frame: optimization x parameters x metric, by hardware row and figure.

    Index (optimization, test, params, metric, unit, provenance); columns (row, figure) with `FIGURES`. A
    row that several runs measured appears once per run, labelled `row (run)`.
    """
    table = findings[findings["metric"].notna()]
    table = table.assign(row=_row_labels(table))
    index = pd.MultiIndex.from_frame(table[_KEY].drop_duplicates()).sort_values()
    pieces = {}
    for label, group in table.groupby("row", sort=True):
        repeated = group[group.duplicated(_KEY)]
        if len(repeated):
            raise HarnessError(
                f"{repeated['nodeid'].iloc[0]} has the parameters of another cell",
                where=str(label),
                allowed="one cell per test, parameters and row",
                next_step="put what differs among the parameters",
            )
        pieces[str(label)] = group.set_index(_KEY)[list(FIGURES)].reindex(index)
    if not pieces:
        return pd.DataFrame(index=index)
    return pd.concat(pieces, axis=1, names=["hardware", "figure"])


def claims_frame(documents: Iterable[RunDocument]) -> pd.DataFrame:
    """One row per claim with what was found; an open end of a promised range is infinite."""
    rows = []
    for document in documents:
        for cell in cells_of(document):
            for finding in cell.findings:
                known = {**_run_fields(document), **_cell_fields(cell), **_finding_fields(finding)}
                rows += [_claim_fields(known, claim) for claim in finding.claims]
    return _table(rows, list(CLAIM_COLUMNS))


def history_frame(documents: Iterable[RunDocument]) -> pd.DataFrame:
    """Findings of many runs in order of time, with `comparable` and `change` against the run before.

    `comparable` is whether benchmark, workload and model are the same as the run before; `change` is
    ratio / previous ratio, missing where the two cannot be compared.
    """
    table = findings_frame(documents)
    table = table[table["metric"].notna() & table["ratio"].notna()]
    key = ["nodeid", "hardware", "metric", "provenance"]
    table = table.sort_values([*key, "started", "run"], ignore_index=True)
    same = ["benchmark_hash", "workload_hash", "model"]
    before = table.groupby(key, sort=False)[[*same, "ratio"]].shift()
    followed = table.groupby(key, sort=False).cumcount() > 0
    equal = [(table[name] == before[name]) | (table[name].isna() & before[name].isna()) for name in same]
    comparable = followed & equal[0] & equal[1] & equal[2]
    change = (table["ratio"] / before["ratio"]).where(comparable & (table["gate"] != "bounded"))
    return table.assign(comparable=comparable, change=change)


def ratio_between(numerator: pd.DataFrame, denominator: pd.DataFrame, figure: str) -> pd.Series:
    """`figure` of one findings frame over the other's, by test, parameters and metric.

    Raises HarnessError when the two sides differ in provenance or unit: such a ratio means nothing.
    """
    key = ["optimization", "test", "params", "metric"]
    pairs = numerator.merge(denominator, on=key, suffixes=("_over", "_under"))
    for field in ("provenance", "unit"):
        mixed = pairs[pairs[f"{field}_over"] != pairs[f"{field}_under"]]
        if len(mixed):
            first = mixed.iloc[0]
            raise HarnessError(
                f"{first[f'{field}_over']} divided by {first[f'{field}_under']} is no ratio",
                where=f"{first['test']} {first['params']} {first['metric']}",
                allowed=f"one {field} on both sides",
                next_step=f"select rows of one {field} first",
            )
    return (pairs[f"{figure}_over"] / pairs[f"{figure}_under"]).set_axis(pd.MultiIndex.from_frame(pairs[key]))


def _samples_of(run_dir: Path) -> pd.DataFrame:
    if (run_dir / SAMPLES).exists():
        try:
            return pd.read_parquet(run_dir / SAMPLES)
        except (OSError, ValueError) as error:
            where, step = str(run_dir / SAMPLES), "delete it; the cells of the run still hold the samples"
            raise HarnessError(f"damaged ({error})", where=where, next_step=step) from None
    rows = [row for cell in load_cells(run_dir).values() for row in sample_rows(run_dir.name, cell)]
    return pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))


def _row_labels(findings: pd.DataFrame) -> pd.Series:
    """The hardware row, with the run's id behind it where several runs measured that row."""
    runs = findings.groupby("hardware")["run"].transform("nunique")
    return findings["hardware"].where(runs == 1, findings["hardware"] + " (" + findings["run"] + ")")


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({name: "float64" for name in columns if name in _NUMBERS})


def _run_fields(document: RunDocument) -> dict[str, Any]:
    run = document["run"]
    return {
        "run": run["id"],
        "started": run["started"],
        "commit": run["commit"],
        "dirty": run["dirty"],
        "fingerprint": document["machine"]["fingerprint"],
    }


def _cell_fields(cell: Cell) -> dict[str, Any]:
    names = [name for name in CELL_COLUMNS if name not in ("test", "params", "cell_reason")]
    fields = {name: getattr(cell, name) for name in names}
    test = cell.nodeid.partition("[")[0]
    return {**fields, "test": test, "params": params_text(cell.params), "cell_reason": cell.reason}


def _finding_fields(finding: Finding | None) -> dict[str, Any]:
    if finding is None:
        return {}
    fields = {name: getattr(finding, name) for name in FINDING_COLUMNS if hasattr(finding, name)}
    if finding.effect is not None:
        names = ("ratio", "low", "high", "confidence", "p", "q", "mde80")
        fields |= {name: getattr(finding.effect, name) for name in names}
    return {**fields, "gate_state": finding.gate_result.state, "gate_detail": finding.gate_result.detail}


def _claim_fields(known: dict[str, Any], claim: ClaimFinding) -> dict[str, Any]:
    fields = {name: known[name] for name in CLAIM_COLUMNS if name in known}
    found = {"found": known.get("ratio")}
    if claim.kind == "value" and known.get("optimized") is not None:
        # what the arm reached, not the ratio that `low` and `high` belong to
        found = {"found": known["optimized"], "low": None, "high": None}
    return (
        fields
        | found
        | {
            "kind": claim.kind,
            "claim_low": claim.low,
            "claim_high": claim.high,
            "claim_state": claim.state,
            "source": claim.source,
            "quote": claim.quote,
        }
    )
