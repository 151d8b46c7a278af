"""`--update-baseline`: record what a run found, and say what that changes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.measure.outcome import Cell, Finding
from harness.results.baselines import (
    BaselineFidelity,
    BaselineState,
    CellBaseline,
    MetricBaseline,
    Origin,
    mismatch,
    read_baselines,
    write_baselines,
)
from harness.results.gate import fidelity_carriers


@dataclass
class _Difference:
    """Lines of the printed difference, and how many cells were touched."""

    lines: list[str] = field(default_factory=list)
    changed: int = 0
    unchanged: int = 0


def update_baselines(
    folder: Path, row: str, cells: Iterable[Cell], origin: Origin, *, drop: Collection[str] = ()
) -> str:
    """Record the cells of hardware row `row` in its rolling baseline; returns the printed difference.

    Entries that this run did not measure stay, except the nodeids in `drop` (vanished benchmarks).
    An inconclusive finding, and a shipped cell over its fidelity limit, are not recorded, and a line
    says so. Raises HarnessError (exit 13) when the present file cannot be read.
    """
    entries = {nodeid: dict(states) for nodeid, states in (read_baselines(folder, row).rolling or {}).items()}
    difference = _Difference()
    for nodeid in sorted(set(drop) & entries.keys()):
        del entries[nodeid]
        difference.changed += 1
        difference.lines += [nodeid, "  dropped: the benchmark no longer exists"]
    for cell in sorted(cells, key=lambda cell: cell.nodeid):
        if cell.hardware == row and cell.state != "not run":
            states = entries.setdefault(cell.nodeid, {})
            entry = _record(cell, cell.state, states.get(cell.state), origin, difference)
            if entry is not None:
                states[cell.state] = entry
    path = write_baselines(folder, row, entries)
    head = f"{path.name}: {difference.changed} changed, {difference.unchanged} unchanged"
    return "\n".join([head, *difference.lines]) + "\n"


def _record(
    cell: Cell, state: BaselineState, old: CellBaseline | None, origin: Origin, difference: _Difference
) -> CellBaseline | None:
    """The cell's new record, or the old one when nothing is to be recorded."""
    lines = [f"{cell.nodeid} ({state})"]
    if cell.role == "shipped" and cell.fidelity in ("broken", "refused"):
        difference.lines += [*lines, "  not recorded: shipped, and over its fidelity limit"]
        return old
    kept = old
    if old is not None and (reason := mismatch(cell, old)):
        lines.append(f"  {reason}; the old figures are dropped")
        kept = None
    metrics = dict(kept.metrics) if kept else {}
    for finding in sorted(cell.findings, key=lambda finding: finding.metric):
        lines += _record_metric(cell, finding, metrics)
    fidelity = _cell_fidelity(cell, kept)
    if old is not None and old.fidelity != fidelity:
        lines.append(f"  fidelity {old.fidelity} -> {fidelity}")
    new = CellBaseline(
        cell.benchmark_hash, cell.workload_hash, cell.engine, cell.model, fidelity, origin, metrics
    )
    difference.lines += lines if len(lines) > 1 else []
    if old is None and not metrics and fidelity == "none":
        return None
    if old is not None and replace(new, origin=old.origin) == old:
        difference.unchanged += 1
        return old
    difference.changed += 1
    return new


def _record_metric(cell: Cell, finding: Finding, metrics: dict[str, MetricBaseline]) -> list[str]:
    """Put the finding among `metrics` when it can be gated later; returns the lines to print."""
    if finding.gate == "report" or finding.verdict == "not run" or finding.provenance == "quoted":
        return []
    undecided = finding.gate == "bounded" and cell.fidelity == "inconclusive"
    if finding.verdict == "inconclusive" or undecided:
        why = finding.reason or "too noisy to tell"
        return [f"  {finding.metric}: not recorded: inconclusive ({why})"]
    old, new = metrics.get(finding.metric), _metric_baseline(cell, finding)
    metrics[finding.metric] = new
    if old == new:
        return []
    before = "nothing" if old is None else _describe(old)
    return [f"  {finding.metric}: {before} -> {_describe(new)}"]


def _metric_baseline(cell: Cell, finding: Finding) -> MetricBaseline:
    fidelity: BaselineFidelity = "none"
    if finding.gate == "bounded":
        fidelity = "refused" if finding in fidelity_carriers(cell) else "held"
    effect = finding.effect
    return MetricBaseline(
        gate=finding.gate,
        unit=finding.unit,
        better=finding.better,
        provenance=finding.provenance,
        baseline=finding.baseline,
        optimized=finding.optimized,
        ratio=_finite(effect.ratio) if effect else None,
        low=_finite(effect.low) if effect else None,
        high=_finite(effect.high) if effect else None,
        confidence=effect.confidence if effect else None,
        tolerance=finding.tolerance,
        floor=finding.floor,
        fidelity=fidelity,
    )


def _cell_fidelity(cell: Cell, kept: CellBaseline | None) -> BaselineFidelity:
    match cell.fidelity:
        case "inconclusive":
            return kept.fidelity if kept else "none"
        case "broken" | "refused":
            return "refused"
        case state:
            return state


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _describe(metric: MetricBaseline) -> str:
    """One metric in a line: counted figures in full, timed ones as ratio and interval."""
    ratio, low, high = (_figure(value, ".4g") for value in (metric.ratio, metric.low, metric.high))
    if metric.gate == "bounded":
        return f"{metric.fidelity}, loss {ratio} [{low}, {high}]"
    if metric.gate == "paired" and metric.provenance == "measured":
        return f"ratio {ratio} [{low}, {high}]"
    return f"{_figure(metric.baseline, ',.10g')} / {_figure(metric.optimized, ',.10g')} {metric.unit}"
