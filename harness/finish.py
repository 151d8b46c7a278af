"""The end of a run: final verdicts, the gate with its confirmation, the reports, the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness import render
from harness.measure.family import settle
from harness.measure.outcome import Cell, Finding, GateResult
from harness.measure.stats import benjamini_hochberg
from harness.measure.verdicts import FALSE_DISCOVERY_RATE
from harness.results import (
    Baselines,
    JsonDict,
    Micro,
    Origin,
    RunDocument,
    Vanished,
    exit_code,
    gate_cell,
    is_timed,
    not_confirmed,
    pin_baseline,
    pytest_benchmark_document,
    read_baselines,
    regression_p_values,
    run_document,
    save_results,
    save_samples,
    update_baselines,
    write_atomically,
)
from harness.session import Session

Remeasure = Callable[[Sequence[str]], Mapping[str, Cell]]


def judged(
    cells: Sequence[Cell], baselines: Mapping[str, Baselines], remeasure: Remeasure | None
) -> list[Cell]:
    """All cells with final verdicts and gate results.

    A timed regression counts only if it survives false-discovery control over the run and, with
    `remeasure`, repeats in a fresh process.
    """
    gated = [gate_cell(cell, baselines[cell.hardware]) for cell in settle(cells)]
    gated = _keep_discoveries(gated, baselines)
    suspects = [cell for cell in gated if _regressed(cell)]
    if remeasure is None or not suspects:
        return gated
    again = remeasure([cell.nodeid for cell in suspects])
    fresh = {
        cell.nodeid: gate_cell(cell, baselines[cell.hardware]) for cell in settle(list(again.values()))
    }
    return [_confirmed(cell, fresh.get(cell.nodeid)) if _regressed(cell) else cell for cell in gated]


def ungated(cells: Sequence[Cell]) -> list[Cell]:
    """All cells with final verdicts and the gate off."""
    off = GateResult("not gated", "gate off")
    return [
        replace(cell, findings=tuple(replace(finding, gate_result=off) for finding in cell.findings))
        for cell in settle(cells)
    ]


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
            metric: f"may be chance among {len(q_values)} timed metrics (q = {q_values[cell.nodeid, metric]:.3f})"
            for metric in _regressed(cell)
            if q_values[cell.nodeid, metric] > FALSE_DISCOVERY_RATE
        }
        kept.append(not_confirmed(cell, chance))
    return kept


def _confirmed(cell: Cell, again: Cell | None) -> Cell:
    """Regressions that did not repeat are taken back; those that did say so."""
    repeated = _regressed(again) if again is not None else {}
    missing = "a fresh process gave no result" if again is None else "did not repeat in a fresh process"
    cell = not_confirmed(cell, {metric: missing for metric in _regressed(cell) if metric not in repeated})
    findings = tuple(
        replace(f, gate_result=GateResult("regressed", f"{f.gate_result.detail}; repeated in a fresh process"))
        if f.metric in repeated and f.gate_result.state == "regressed"
        else f
        for f in cell.findings
    )
    return replace(cell, findings=findings)


def finish(
    session: Session,
    *,
    vanished_cells: Mapping[str, Sequence[tuple[str, str]]],
    micro: Sequence[Micro],
    native: Sequence[JsonDict],
    remeasure: Remeasure | None,
) -> tuple[RunDocument, str]:
    """Judge, gate and report a run; returns its document and what `--update-baseline` changed.

    `vanished_cells` are (nodeid, detail) by hardware row; `native` is what pytest-benchmark itself
    has to say about the plain benchmarks.
    """
    settings = session.settings
    cells = list(session.cells.values())
    difference = ""
    if settings.update_baseline:
        difference = _update(session, settle(cells), vanished_cells)
        vanished_cells = {}
    baselines = {row: read_baselines(settings.baseline_dir, row) for row in {cell.hardware for cell in cells}}
    cells = ungated(cells) if settings.gate == "off" else judged(cells, baselines, remeasure)
    lost = [Vanished(nodeid=nodeid, detail=detail) for row in vanished_cells.values() for nodeid, detail in row]
    code = exit_code(
        cells,
        lost if settings.gate != "off" else (),
        strict=settings.gate == "strict",
        measured_only=settings.measured_only,
        micro=len(micro),
    )
    session.run["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    session.run["exit_code"] = code
    document = run_document(session.run, session.machine, cells, micro, lost)
    write_reports(session.run_dir, document, cells, native)
    return document, difference


def _update(
    session: Session, cells: Sequence[Cell], vanished_cells: Mapping[str, Sequence[tuple[str, str]]]
) -> str:
    settings, run = session.settings, session.run
    origin = Origin(run["id"], run["commit"], run["started"], session.machine["fingerprint"])
    rows = sorted({cell.hardware for cell in cells if cell.state != "not run"} | set(vanished_cells))
    text = ""
    for row in rows:
        drop = [nodeid for nodeid, _ in vanished_cells.get(row, ())]
        text += update_baselines(settings.baseline_dir, row, cells, origin, drop=drop)
        if settings.pin_baseline:
            pin_baseline(settings.baseline_dir, row)
    return text


def write_reports(
    run_dir: Path, document: RunDocument, cells: Sequence[Cell], native: Sequence[JsonDict]
) -> None:
    """Everything a finished run leaves behind; results.json last, since it marks the run as finished."""
    write_atomically(run_dir / "junit.xml", render.junit_xml([document]))
    write_atomically(run_dir / "summary.md", render.summary([document]))
    write_atomically(run_dir / "index.html", render.html_report([document]))
    interchange = pytest_benchmark_document(document, cells, native)
    write_atomically(run_dir / "pytest-benchmark.json", json.dumps(interchange, indent=1))
    save_samples(run_dir, cells)
    save_results(run_dir, document)
