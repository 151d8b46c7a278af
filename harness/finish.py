"""The end of a run: judgement, reports, exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness import render
from harness.against import gated
from harness.judging import judged, ungated
from harness.measure.family import settle
from harness.measure.outcome import Cell
from harness.results import (
    Origin,
    RunDocument,
    Vanished,
    exit_code,
    load_cells,
    pin_baseline,
    pytest_benchmark_document,
    read_baselines,
    run_document,
    save_results,
    save_samples,
    update_baselines,
    vanished,
    write_atomically,
)
from harness.results.compare import compare_runs
from harness.results.records import JsonDict
from harness.session import Session

TESTS_FAILED = 1
LostByRow = dict[str, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What pytest looked at: nodeids that exist, prefixes it was asked for, prefixes it could not read."""

    collected: Sequence[str]
    asked: Sequence[str]
    unreadable: Sequence[str]


def finish(session: Session, seen: Seen, failed: int, color: bool) -> tuple[list[str], int]:
    """Judge, gate and report a run; returns its closing lines and its exit code.

    `failed` counts tests that failed: then the exit code is 1, whatever the gate says.
    """
    cells = settle(list(session.cells.values()))
    lines: list[str] = []
    lost: LostByRow = {}
    if session.base_tree is None:
        cells, lost, lines = _against_baselines(session, cells, seen)
    else:
        cells = ungated(cells) if session.settings.gate == "off" else gated(cells)
    session.resources.close()
    gone = [Vanished(nodeid=nodeid, detail=detail) for found in lost.values() for nodeid, detail in found]
    code = TESTS_FAILED if failed else _exit_code(session, cells, gone)
    session.run["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    session.run["exit_code"] = code
    micro = [record["micro"] for record in session.plain.values()]
    document = run_document(session.run, session.machine, cells, micro, gone)
    lines += write_reports(session.run_dir, document, cells, [r["native"] for r in session.plain.values()])
    if session.base_run is not None:
        changes = compare_runs(session.base_run, document).to_string(index=False, na_rep="-")
        lines += [f"against {session.base_run['run']['id']} (advisory):", *changes.splitlines(), ""]
    if failed:
        lines.append(f"{failed} failed: exit code 1 stands before anything the gate says")
    return lines + _closing(session, document, color), code


def _exit_code(session: Session, cells: Sequence[Cell], gone: Sequence[Vanished]) -> int:
    settings = session.settings
    return exit_code(
        cells,
        gone,
        strict=settings.gate == "strict",
        measured_only=settings.measured_only,
        micro=len(session.plain),
    )


def _closing(session: Session, document: RunDocument, color: bool) -> list[str]:
    width = shutil.get_terminal_size(fallback=(160, 24)).columns
    table = render.verdict_table([document], color=color, width=width)
    report = f"report: {session.run_dir / 'index.html'}"
    return [*table.splitlines(), "", *render.closing_lines([document], report, color=color, width=width)]


def _against_baselines(
    session: Session, cells: list[Cell], seen: Seen
) -> tuple[list[Cell], LostByRow, list[str]]:
    """Gated cells, what vanished by row, and the lines of `--update-baseline`."""
    settings = session.settings
    lines: list[str] = []
    rows = sorted(session.run["selected_rows"])
    before = {row: read_baselines(settings.baseline_dir, row) for row in rows}
    lost = {row: _gone(vanished(before[row], seen.collected, seen.asked), seen) for row in rows}
    if settings.update_baseline:
        lines = "".join(_update(session, row, cells, lost[row]) for row in rows).splitlines()
        before = {row: read_baselines(settings.baseline_dir, row) for row in rows}
        lost = {}
    if settings.gate == "off":
        return ungated(cells), {}, lines
    return judged(cells, before, partial(remeasure, session) if settings.confirm else None), lost, lines


def _gone(lost: Sequence[tuple[str, str]], seen: Seen) -> list[tuple[str, str]]:
    """Without those in files that could not be read: they may well exist."""
    return [(nodeid, detail) for nodeid, detail in lost if not nodeid.startswith(tuple(seen.unreadable))]


def _update(session: Session, row: str, cells: Sequence[Cell], lost: Sequence[tuple[str, str]]) -> str:
    settings, run = session.settings, session.run
    origin = Origin(run["id"], run["commit"], run["started"], session.machine["fingerprint"])
    gone = [nodeid for nodeid, _ in lost]
    text = ""
    if gone or any(cell.hardware == row and cell.state != "not run" for cell in cells):
        text = update_baselines(settings.baseline_dir, row, cells, origin, drop=gone)
        if settings.pin_baseline:
            text += f"pinned: {pin_baseline(settings.baseline_dir, row).name}\n"
    return text


def remeasure(session: Session, nodeids: Sequence[str]) -> dict[str, Cell]:
    """Measure these cells once more in a fresh process; what it could not measure is absent."""
    settings = session.settings
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", *nodeids, *settings.forwarded]
        command += ["--gate=off", "--no-confirm", "--measured-only", "--report-dir", folder]
        command += ["--matrix", str(settings.matrix_path), "--budget", str(settings.budget_s)]
        command += ["--round-seed", str(settings.seed + 1)]
        command += ["--model", settings.model, "--endpoint", settings.endpoint]
        # the job summary is this process's to write
        environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        subprocess.run(command, cwd=settings.root, env=environment, stdout=subprocess.DEVNULL, check=False)
        runs = sorted(Path(folder).glob("run-*"))
        return load_cells(runs[-1]) if runs else {}


def write_reports(
    run_dir: Path, document: RunDocument, cells: Sequence[Cell], native: Sequence[JsonDict]
) -> list[str]:
    """Everything a finished run leaves behind; results.json marks it as finished. Returns what went wrong."""
    summary = render.summary([document])
    write_atomically(run_dir / "junit.xml", render.junit([document]))
    write_atomically(run_dir / "summary.md", summary)
    write_atomically(run_dir / "index.html", render.page([document]))
    interchange = pytest_benchmark_document(document, cells, native)
    write_atomically(run_dir / "pytest-benchmark.json", json.dumps(interchange, indent=1))
    save_samples(run_dir, cells)
    save_results(run_dir, document)
    return _append_job_summary(summary)


def _append_job_summary(summary: str) -> list[str]:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return []
    try:
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(summary)
    except OSError as error:
        return [f"$GITHUB_STEP_SUMMARY: {error.strerror}: the summary is in summary.md of the run only"]
    return []
