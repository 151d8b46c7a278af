"""The run's judgement: each cell against its baseline, chance and noise ruled out, doubts repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.measure.family import Noise, noise_of, noisy_clocks, settle
from harness.measure.outcome import Cell, Finding, GateResult
from harness.measure.stats import benjamini_hochberg
from harness.measure.verdicts import FALSE_DISCOVERY_RATE
from harness.results import Baselines, gate_cell, not_confirmed, regression_p_values
from harness.results.gate import is_timed

Remeasure = Callable[[Sequence[str]], Mapping[str, Cell]]


def judged(
    cells: Sequence[Cell], baselines: Mapping[str, Baselines], remeasure: Remeasure | None
) -> list[Cell]:
    """All cells, their verdicts final, with gate results.

    A timed regression counts only on a row whose canaries are quiet, if it survives false-discovery
    control over the run and, with `remeasure`, repeats in a fresh process.
    """
    noise = noisy_clocks(cells)
    gated = [_quieted(gate_cell(cell, baselines[cell.hardware]), noise) for cell in cells]
    gated = _keep_discoveries(gated, baselines)
    suspects = [cell for cell in gated if _regressed(cell)]
    if remeasure is None or not suspects:
        return gated
    again = remeasure([cell.nodeid for cell in suspects])
    settled = settle(list(again.values()))
    noise = noisy_clocks(settled)
    fresh = {cell.nodeid: _quieted(gate_cell(cell, baselines[cell.hardware]), noise) for cell in settled}
    return [_confirmed(cell, fresh.get(cell.nodeid)) if _regressed(cell) else cell for cell in gated]


def ungated(cells: Sequence[Cell]) -> list[Cell]:
    """All cells with the gate off."""
    off = GateResult("not gated", "gate off")
    return [
        replace(cell, findings=tuple(replace(finding, gate_result=off) for finding in cell.findings))
        for cell in cells
    ]


def _quieted(cell: Cell, noise: Noise) -> Cell:
    """On a noisy row and clock no timed regression counts."""
    found = {metric: noise_of(finding, cell, noise) for metric, finding in _regressed(cell).items()}
    return not_confirmed(cell, {metric: reason for metric, reason in found.items() if reason is not None})


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
    """Regressions that did not repeat are taken back. One that could not be repeated stands."""
    detail = "could not be repeated in a fresh process" if again is None else "repeated in a fresh process"
    repeated = _regressed(cell) if again is None else _regressed(again)
    missing = "did not repeat in a fresh process"
    cell = not_confirmed(cell, {metric: missing for metric in _regressed(cell) if metric not in repeated})
    findings = tuple(
        replace(f, gate_result=GateResult("regressed", f"{f.gate_result.detail}; {detail}"))
        if f.metric in repeated and is_timed(f) and f.gate_result.state == "regressed"
        else f
        for f in cell.findings
    )
    return replace(cell, findings=findings)
