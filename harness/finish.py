"""The end of a run: final verdicts, the gate with its confirmation, the reports, the exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from harness import render
from harness.measure.family import noisy_rows, settle
from harness.measure.outcome import Cell, Finding, GateResult
from harness.measure.stats import benjamini_hochberg
from harness.measure.verdicts import FALSE_DISCOVERY_RATE
from harness.plain import micro_results, native_results
from harness.results import (
    Baselines,
    Origin,
    RunDocument,
    Vanished,
    exit_code,
    gate_cell,
    load_cells,
    not_confirmed,
    pin_baseline,
    pytest_benchmark_document,
    read_baselines,
    regression_p_values,
    run_document,
    save_results,
    save_samples,
    update_baselines,
    vanished,
    write_atomically,
)
from harness.results.compare import compare_runs
from harness.results.gate import is_timed
from harness.results.records import JsonDict
from harness.session import Session

Remeasure = Callable[[Sequence[str]], Mapping[str, Cell]]


def judged(
    cells: Sequence[Cell], baselines: Mapping[str, Baselines], remeasure: Remeasure | None
) -> list[Cell]:
    """All cells, their verdicts final, with gate results.

    A timed regression counts only on a row whose canaries are quiet, if it survives false-discovery
    control over the run and, with `remeasure`, repeats in a fresh process.
    """
    noisy = noisy_rows(cells)
    gated = [_quieted(gate_cell(cell, baselines[cell.hardware]), noisy) for cell in cells]
    gated = _keep_discoveries(gated, baselines)
    suspects = [cell for cell in gated if _regressed(cell)]
    if remeasure is None or not suspects:
        return gated
    again = remeasure([cell.nodeid for cell in suspects])
    settled = settle(list(again.values()))
    noisy = noisy_rows(settled)
    fresh = {cell.nodeid: _quieted(gate_cell(cell, baselines[cell.hardware]), noisy) for cell in settled}
    return [_confirmed(cell, fresh.get(cell.nodeid)) if _regressed(cell) else cell for cell in gated]


def ungated(cells: Sequence[Cell]) -> list[Cell]:
    """All cells with the gate off."""
    off = GateResult("not gated", "gate off")
    return [
        replace(cell, findings=tuple(replace(finding, gate_result=off) for finding in cell.findings))
        for cell in cells
    ]


def _quieted(cell: Cell, noisy: Mapping[str, str]) -> Cell:
    """On a noisy row no timed regression counts."""
    if cell.hardware not in noisy:
        return cell
    return not_confirmed(cell, dict.fromkeys(_regressed(cell), noisy[cell.hardware]))


def _regressed(cell: Cell) -> dict[str, Finding]:
    """The timed findings that regressed, by metric."""
    return {f.metric: f for f in cell.findings if is_timed(f) and f.gate_result.state == "regressed"}


def _keep_discoveries(cells: Sequence[Cell], baselines: Mapping[str, Baselines]) -> list[Cell]:
    p_values = {
        (cell.nodeid, metric): p
        for cell in cells
        for metric, p in regression_p_values(cell, baselines[cell.hardware]).items()
    }
    q_values = dict(zip(p_values, benjamini_hochberg(list(p_values.values())), strict=True))
    kept = []
    for cell in cells:
        chance = {
            metric: f"may be chance among {len(q_values)} timed metrics (q = {q:.3f})"
            for metric in _regressed(cell)
            if (q := q_values[cell.nodeid, metric]) > FALSE_DISCOVERY_RATE
        }
        kept.append(not_confirmed(cell, chance))
    return kept


def _confirmed(cell: Cell, again: Cell | None) -> Cell:
    """Regressions that did not repeat are taken back; those that did say so."""
    repeated = _regressed(again) if again is not None else {}
    missing = "a fresh process gave no result" if again is None else "did not repeat in a fresh process"
    cell = not_confirmed(cell, {metric: missing for metric in _regressed(cell) if metric not in repeated})
    findings = tuple(
        replace(
            f, gate_result=GateResult("regressed", f"{f.gate_result.detail}; repeated in a fresh process")
        )
        if f.metric in repeated and f.gate_result.state == "regressed"
        else f
        for f in cell.findings
    )
    return replace(cell, findings=findings)


def finish(
    session: Session, collected: Sequence[str], asked: Sequence[str], plain: Sequence[Any], color: bool
) -> tuple[list[str], int]:
    """Judge, gate and report a run; returns its closing lines and its exit code.

    `collected` are the nodeids that exist, `asked` the nodeid prefixes that pytest was told to look
    at, `plain` pytest-benchmark's own benchmarks. Raises HarnessError (exit 13) for a baseline file
    that cannot be read.
    """
    settings = session.settings
    cells = settle(list(session.cells.values()))
    lines: list[str] = []
    lost: dict[str, list[tuple[str, str]]] = {}
    if session.base_tree is None:
        cells, lost, lines = _against_baselines(session, cells, collected, asked)
    session.resources.close()
    micro = micro_results(plain, session.here.name)
    gone = [Vanished(nodeid=nodeid, detail=detail) for found in lost.values() for nodeid, detail in found]
    code = exit_code(
        cells,
        gone,
        strict=settings.gate == "strict",
        measured_only=settings.measured_only,
        micro=len(micro),
    )
    session.run["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    session.run["exit_code"] = code
    document = run_document(session.run, session.machine, cells, micro, gone)
    write_reports(session.run_dir, document, cells, native_results(plain))
    if session.base_run is not None:
        changes = compare_runs(session.base_run, document).to_string(index=False, na_rep="-")
        lines += [f"against {session.base_run['run']['id']} (advisory):", *changes.splitlines(), ""]
    width = shutil.get_terminal_size(fallback=(160, 24)).columns
    table = render.verdict_table([document], color=color, width=width)
    report = f"report: {session.run_dir / 'index.html'}"
    closing = render.closing_lines([document], report, color=color, width=width)
    return [*lines, *table.splitlines(), "", *closing], code


def _against_baselines(
    session: Session, cells: list[Cell], collected: Sequence[str], asked: Sequence[str]
) -> tuple[list[Cell], dict[str, list[tuple[str, str]]], list[str]]:
    """Gated cells, what vanished by row, and the lines of `--update-baseline`."""
    settings = session.settings
    lines: list[str] = []
    rows = sorted(session.run["selected_rows"])
    before = {row: read_baselines(settings.baseline_dir, row) for row in rows}
    lost = {row: vanished(before[row], collected, asked) for row in rows}
    if settings.update_baseline:
        lines = "".join(_update(session, row, cells, lost[row]) for row in rows).splitlines()
        before = {row: read_baselines(settings.baseline_dir, row) for row in rows}
        lost = {}
    if settings.gate == "off":
        return ungated(cells), {}, lines
    return judged(cells, before, partial(remeasure, session) if settings.confirm else None), lost, lines


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
        command = [sys.executable, "-m", "pytest", *nodeids, "--gate=off", "--no-confirm", "--measured-only"]
        command += ["--report-dir", folder, "--matrix", str(settings.matrix_path)]
        command += ["--budget", str(settings.budget_s), "--round-seed", str(settings.seed + 1)]
        # the job summary is this process's to write
        environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        subprocess.run(command, cwd=settings.root, env=environment, stdout=subprocess.DEVNULL, check=False)
        runs = sorted(Path(folder).glob("run-*"))
        return load_cells(runs[-1]) if runs else {}


def write_reports(
    run_dir: Path, document: RunDocument, cells: Sequence[Cell], native: Sequence[JsonDict]
) -> None:
    """Everything a finished run leaves behind; results.json last, since it marks the run as finished."""
    write_atomically(run_dir / "junit.xml", render.junit([document]))
    summary = render.summary([document])
    write_atomically(run_dir / "summary.md", summary)
    if step_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(step_summary).open("a", encoding="utf-8") as stream:
            stream.write(summary)
    write_atomically(run_dir / "index.html", render.page([document]))
    interchange = pytest_benchmark_document(document, cells, native)
    write_atomically(run_dir / "pytest-benchmark.json", json.dumps(interchange, indent=1))
    save_samples(run_dir, cells)
    save_results(run_dir, document)
