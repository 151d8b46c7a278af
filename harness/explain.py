"""How a verdict was reached, in words: what `--explain NODEID` prints."""

from __future__ import annotations

import math
from pathlib import Path

from harness.errors import HarnessError
from harness.measure.outcome import Cell, Effect, Finding
from harness.results import RunDocument, cells_of, read_run, resolve_run


def explain_latest(report_dir: Path, nodeid: str) -> str:
    """The latest run's account of the cells whose nodeid contains `nodeid`.

    Raises HarnessError (exit 4) when there is no run, or no such cell in it.
    """
    run_dir = resolve_run(report_dir, "latest")
    document = read_run(run_dir)
    cells = [cell for cell in cells_of(document) if nodeid in cell.nodeid]
    if not cells:
        known = ", ".join(cell.nodeid for cell in cells_of(document)[:5])
        raise HarnessError(
            f"no cell {nodeid!r}", where=str(run_dir), allowed=known, next_step="name one of these"
        )
    return "\n\n".join(explain(document, cell) for cell in cells)


def explain(document: RunDocument, cell: Cell) -> str:
    """One cell: where its figures come from, and for each metric every step to its verdict."""
    run = document["run"]
    lines = [
        cell.nodeid,
        f"  {cell.title} ({cell.role}), hardware {cell.hardware}, {cell.state}",
        f"  run {run['id']}, commit {run['commit'][:12] or 'none'}{' (dirty)' if run['dirty'] else ''}",
        f"  seed {cell.seed}, benchmark {cell.benchmark_hash}, workload {cell.workload_hash or 'none'}",
    ]
    if cell.reason:
        lines.append(f"  {cell.reason}")
    if cell.fidelity != "none":
        lines.append(f"  fidelity: {cell.fidelity}")
    for finding in cell.findings:
        lines += ["", *_finding(finding)]
    return "\n".join(lines)


def _finding(finding: Finding) -> list[str]:
    clock = f", {finding.clock} clock" if finding.clock else ""
    lines = [
        f"  {finding.metric} [{finding.unit}], {finding.better} is better, gate {finding.gate}",
        f"    {finding.provenance}{clock}, {finding.rounds} rounds of {finding.iterations} calls",
    ]
    if finding.baseline is not None and finding.optimized is not None:
        lines.append(f"    medians: baseline {finding.baseline:.6g}, optimized {finding.optimized:.6g}")
    if finding.effect is not None:
        what = "loss" if finding.gate == "bounded" else "optimized / baseline"
        lines.append(f"    {what} {_interval(finding.effect)}")
        lines += _tests(finding.effect)
    if finding.limit is not None:
        lines.append(f"    limit {finding.limit:g}")
    if finding.canary is not None:
        lines.append(f"    canary (baseline against itself) {_interval(finding.canary)}")
    lines.append(f"    verdict: {finding.verdict}{f' ({finding.reason})' if finding.reason else ''}")
    if finding.gate == "paired":
        lines.append(
            f"    rule: the interval clears 1 and the ratio is at least {finding.floor:.1%} away from it"
        )
    for claim in finding.claims:
        band = f"{_bound(claim.low)} to {_bound(claim.high)}"
        lines.append(f"    claim {band} ({claim.source}: {claim.quote!r}): {claim.state}")
    gate = finding.gate_result
    lines.append(f"    gate: {gate.state}{f' ({gate.detail})' if gate.detail else ''}")
    return lines


def _interval(effect: Effect) -> str:
    return f"{effect.ratio:.4f} [{effect.low:.4f}, {effect.high:.4f}] at {effect.confidence:.2%} confidence"


def _tests(effect: Effect) -> list[str]:
    if effect.p is None:
        return []
    adjusted = f", q = {effect.q:.2g} over the run" if effect.q is not None else ""
    detects = f", would have detected {effect.mde80:.1%}" if effect.mde80 is not None else ""
    return [f"    randomisation p = {effect.p:.2g}{adjusted}{detects}"]


def _bound(value: float) -> str:
    return "open" if math.isinf(value) else f"{value:g}"
