"""Committed baselines: what a hardware row's later runs are compared with.

`<row>.json` rolls along with every accepted change; `<row>.pinned.json` stays where it was pinned,
so that many small slips add up against it. Measured and modelled figures of one benchmark are kept
side by side and never meet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from harness.errors import EXIT_BASELINE, HarnessError
from harness.measure.outcome import Cell
from harness.measure.spec import Better, Gate, Provenance
from harness.results.documents import json_text, read_json, validate_baselines
from harness.results.records import SCHEMA_VERSION
from harness.results.store import write_atomically

BaselineState = Literal["measured", "modelled"]
BaselineFidelity = Literal["none", "held", "refused"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recorded figure comes from; `date` is ISO 8601."""

    run: str
    commit: str
    date: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class MetricBaseline:
    """One recorded metric: both arms in `unit`, and the effect (of a bounded metric, the loss)."""

    gate: Gate
    unit: str
    better: Better
    provenance: Provenance
    baseline: float | None
    optimized: float | None
    ratio: float | None
    low: float | None
    high: float | None
    confidence: float | None
    tolerance: float
    floor: float
    fidelity: BaselineFidelity


@dataclass(frozen=True, slots=True)
class CellBaseline:
    """One recorded cell. `model` is a checkpoint or, of a modelled cell, the constants' version."""

    benchmark_hash: str
    workload_hash: str
    engine: str | None
    model: str | None
    fidelity: BaselineFidelity
    origin: Origin
    metrics: Mapping[str, MetricBaseline]


# by nodeid, then by the state of the cell
Entries = Mapping[str, Mapping[BaselineState, CellBaseline]]


@dataclass(frozen=True, slots=True)
class Baselines:
    """Both baselines of one hardware row; an absent file is None."""

    row: str
    rolling: Entries | None = None
    pinned: Entries | None = None

    def find(self, cell: Cell) -> CellBaseline | None:
        """The rolling record for the cell in its state."""
        return _find(self.rolling, cell)

    def is_pinned(self, cell: Cell) -> bool:
        """Whether the pinned file has the cell, in whatever version."""
        return _find(self.pinned, cell) is not None

    def find_pinned(self, cell: Cell) -> CellBaseline | None:
        """The pinned record, unless it belongs to an older benchmark, workload or model."""
        entry = _find(self.pinned, cell)
        return entry if entry is not None and not mismatch(cell, entry) else None


def read_baselines(folder: Path, row: str) -> Baselines:
    """The committed baselines of a hardware row.

    Raises HarnessError (exit 13) for a file that is damaged, malformed, or of another row.
    """
    return Baselines(row, _read(_rolling_path(folder, row), row), _read(_pinned_path(folder, row), row))


def write_baselines(folder: Path, row: str, entries: Entries) -> Path:
    """Write the rolling file atomically, keys sorted; same entries, same bytes."""
    path = _rolling_path(folder, row)
    tables = {
        nodeid: {state: asdict(entry) for state, entry in states.items()}
        for nodeid, states in entries.items()
        if states
    }
    document = {"schema_version": SCHEMA_VERSION, "hardware": row, "entries": tables}
    validate_baselines(document, str(path))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json_text(document))
    return path


def pin_baseline(folder: Path, row: str) -> Path:
    """Make the rolling baseline the pinned one. Raises HarnessError (exit 13) when there is none."""
    if _read(_rolling_path(folder, row), row) is None:
        raise HarnessError(
            f"no baseline of {row} to pin",
            where=str(_rolling_path(folder, row)),
            next_step=f"create one: {update_command(row)}",
            exit_code=EXIT_BASELINE,
        )
    write_atomically(_pinned_path(folder, row), _rolling_path(folder, row).read_bytes())
    return _pinned_path(folder, row)


def vanished(
    baselines: Baselines, collected: Collection[str], asked: Collection[str] = ("",)
) -> list[tuple[str, str]]:
    """(nodeid, detail) of recorded benchmarks that were not collected.

    `asked` are the nodeid prefixes that pytest was told to collect (folders, files, tests); what
    lies outside of them was not looked for, so it did not vanish.
    """
    row, rolling = baselines.row, baselines.rolling or {}
    recorded = sorted({*rolling, *(baselines.pinned or {})})
    lost = [
        nodeid
        for nodeid in recorded
        if nodeid not in collected and any(_is_below(nodeid, one) for one in asked)
    ]
    drop = {True: f"{update_command(row)} drops it", False: f"still pinned: {pin_command(row)} drops it"}
    return [
        (nodeid, f"has a baseline for {row} but no benchmark; {drop[nodeid in rolling]}") for nodeid in lost
    ]


def update_command(row: str) -> str:
    """The command that records what a row's benchmarks find."""
    return f"pytest benchmarks -m {row} --update-baseline"


def pin_command(row: str) -> str:
    """The command that records what a row's benchmarks find and pins it."""
    return f"pytest benchmarks -m {row} --pin-baseline"


def mismatch(cell: Cell, entry: CellBaseline) -> str:
    """Why the record does not belong to this cell (naming both sides), or nothing."""
    if cell.benchmark_hash != entry.benchmark_hash:
        return f"benchmark changed: {_short(entry.benchmark_hash)} -> {_short(cell.benchmark_hash)}"
    if cell.workload_hash != entry.workload_hash:
        return f"workload changed: {_short(entry.workload_hash)} -> {_short(cell.workload_hash)}"
    if cell.model != entry.model:
        what = "constants of the cost model" if cell.state == "modelled" else "model"
        return f"{what} changed: {entry.model} -> {cell.model}"
    return ""


def _find(entries: Entries | None, cell: Cell) -> CellBaseline | None:
    if entries is None or cell.state == "not run":
        return None
    return entries.get(cell.nodeid, {}).get(cell.state)


def _read(path: Path, row: str) -> Entries | None:
    if not path.exists():
        return None
    restore = f"restore it from version control, or delete it and record it anew: {update_command(row)}"
    try:
        document = read_json(path, restore)
    except HarnessError as error:
        error.exit_code = EXIT_BASELINE
        raise
    validate_baselines(document, str(path))
    if document["hardware"] != row:
        what = f"baseline of {document['hardware']!r}"
        raise HarnessError(what, where=str(path), allowed=row, next_step=restore, exit_code=EXIT_BASELINE)
    return {
        nodeid: {cast(BaselineState, state): _cell_baseline(record) for state, record in states.items()}
        for nodeid, states in document["entries"].items()
    }


def _cell_baseline(record: dict[str, Any]) -> CellBaseline:
    metrics = {name: MetricBaseline(**metric) for name, metric in record["metrics"].items()}
    return CellBaseline(**{**record, "origin": Origin(**record["origin"]), "metrics": metrics})


def _is_below(nodeid: str, asked: str) -> bool:
    asked = asked.rstrip("/")
    inside = (asked + "/", asked + "::", asked + "[")
    return asked in ("", ".") or nodeid == asked or nodeid.startswith(inside)


def _short(digest: str) -> str:
    return digest[:12] or "none"


def _rolling_path(folder: Path, row: str) -> Path:
    return folder / f"{row}.json"


def _pinned_path(folder: Path, row: str) -> Path:
    return folder / f"{row}.pinned.json"
