"""The append-only run folder: written so that a run killed at any moment stays readable.

Each finished cell is one file under `cells/`, moved into place whole. `run.json` (who, where) is
written at the start and `results.json` at the end; without the latter, cells and header suffice.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.measure.outcome import Cell
from harness.results.documents import (
    Machine,
    Run,
    RunDocument,
    json_text,
    read_json,
    validate_part,
    validate_results,
)
from harness.results.records import (
    SAMPLE_FIELDS,
    SCHEMA_VERSION,
    cell_from_json,
    cell_to_json,
    plain,
    samples_from_json,
    samples_to_json,
)

RESULTS = "results.json"
HEADER = "run.json"
CELLS = "cells"
SAMPLES = "samples.parquet"
SAMPLE_COLUMNS = (
    "run", "nodeid", "optimization", "hardware", "arm", "params",
    "metric", "unit", "round", "order", "value", "provenance",
)  # fmt: skip

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def new_run_id(now: datetime, entropy: bytes) -> str:
    """`run-<UTC time>-<six hex digits of entropy>`; ids sort by time."""
    return f"run-{now:%Y%m%dT%H%M%S}-{hashlib.sha256(entropy).hexdigest()[:6]}"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Put `content` at `path` whole or not at all, also when the machine stops in between."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def writing_to(folder: Path, option: str) -> Iterator[None]:
    """Turn the system's refusal to write in `folder` into a HarnessError that names it and `option`."""
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"cannot be written ({error.strerror or error})",
            where=str(folder),
            allowed="a folder, or a path where one can be made",
            next_step=f"pass another {option}",
        ) from None


def create_run(
    reports_dir: Path, run_id: str, run: Run | None = None, machine: Machine | None = None
) -> Path:
    """A new run folder, with its header when `run` and `machine` are given.

    Raises HarnessError when the id is no file name, when a run of that id exists, or when
    `reports_dir` cannot be written.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise HarnessError(f"{run_id!r} is no run id", allowed="letters, digits, '.', '_' and '-'")
    run_dir = reports_dir / run_id
    with writing_to(reports_dir, "--report-dir"):
        try:
            (run_dir / CELLS).mkdir(parents=True)
        except FileExistsError:
            if not (run_dir / CELLS).exists():
                raise
            what = "this run exists, and runs are never overwritten"
            next_step = f"continue it with --resume {run_id}"
            raise HarnessError(what, where=str(run_dir), next_step=next_step) from None
        if run is not None and machine is not None:
            save_header(run_dir, run, machine)
    return run_dir


def save_header(run_dir: Path, run: Run, machine: Machine) -> None:
    """Write run.json: who runs and where, needed to read the run if it never finishes."""
    header = {
        "schema_version": SCHEMA_VERSION,
        "run": plain(run, "run"),
        "machine": plain(machine, "machine"),
    }
    write_atomically(run_dir / HEADER, json_text(header))


def cell_path(run_dir: Path, nodeid: str) -> Path:
    """Where the cell `nodeid` is kept."""
    return run_dir / CELLS / f"{hashlib.sha256(nodeid.encode()).hexdigest()[:16]}.json"


def save_cell(run_dir: Path, cell: Cell) -> Path:
    """Keep one finished cell with its samples; a later result of the same cell replaces it."""
    path = cell_path(run_dir, cell.nodeid)
    record = {
        "schema_version": SCHEMA_VERSION,
        "cell": cell_to_json(cell),
        "sample_fields": list(SAMPLE_FIELDS),
        "samples": samples_to_json(cell),
    }
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def load_cells(run_dir: Path) -> dict[str, Cell]:
    """Finished cells by nodeid, in nodeid order, samples included.

    Files that were still being written are no results and are ignored. Raises HarnessError for a
    cell file that is damaged.
    """
    cells = [_read_cell(path) for path in sorted((run_dir / CELLS).glob("*.json"))]
    return {cell.nodeid: cell for cell in sorted(cells, key=lambda cell: cell.nodeid)}


def save_results(run_dir: Path, document: RunDocument) -> Path:
    """Validate and write results.json."""
    path = run_dir / RESULTS
    validate_results(document, str(path))
    write_atomically(path, json_text(document))
    return path


def save_samples(run_dir: Path, cells: Iterable[Cell]) -> Path:
    """Write every sample as one tidy Parquet table with `SAMPLE_COLUMNS`; same cells, same bytes."""
    # pandas takes half a second to import; a run needs it only once, at its end
    import pandas as pd

    rows = [
        row for cell in sorted(cells, key=lambda cell: cell.nodeid) for row in sample_rows(run_dir.name, cell)
    ]
    frame = pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))
    kinds = dict.fromkeys(SAMPLE_COLUMNS, "string") | {
        "round": "int64",
        "order": "int64",
        "value": "float64",
    }
    buffer = io.BytesIO()
    frame.astype(kinds).to_parquet(buffer, engine="pyarrow", index=False)
    path = run_dir / SAMPLES
    write_atomically(path, buffer.getvalue())
    return path


def sample_rows(run_id: str, cell: Cell) -> list[tuple[Any, ...]]:
    """The cell's samples as rows of `SAMPLE_COLUMNS`; `params` is JSON text with sorted keys."""
    findings = {finding.metric: finding for finding in cell.findings}
    params = params_text(cell.params)
    rows = []
    for sample in cell.samples:
        finding = findings.get(sample.metric)
        unit, provenance = (finding.unit, finding.provenance) if finding else ("", cell.state)
        key = (run_id, cell.nodeid, cell.optimization, cell.hardware, sample.arm, params, sample.metric)
        rows.append((*key, unit, sample.round, sample.order, float(sample.value), provenance))
    return rows


def params_text(params: dict[str, Any]) -> str:
    """Parameters as one line of JSON with sorted keys, fit to be a key in a table."""
    return json.dumps(plain(params, "params"), sort_keys=True, ensure_ascii=False)


def _read_cell(path: Path) -> Cell:
    again = "delete the file; --resume then measures this cell again"
    record = read_json(path, again)
    validate_part(record, "cell_file", str(path))
    try:
        samples = samples_from_json(record["samples"])
    except TypeError:
        allowed = f"rows of {', '.join(SAMPLE_FIELDS)}"
        raise HarnessError("malformed samples", where=str(path), allowed=allowed, next_step=again) from None
    return cell_from_json(record["cell"], samples)


def _sync_folder(folder: Path) -> None:
    # the rename itself lives in the folder; some file systems cannot sync one, and need not
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
