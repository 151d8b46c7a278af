"""Rules that need the whole run: the noisy-machine rule and false-discovery control. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.measure.outcome import Cell, Finding
from harness.measure.stats import benjamini_hochberg
from harness.measure.verdicts import FALSE_DISCOVERY_RATE, canary_alarms


def settle(cells: Sequence[Cell]) -> list[Cell]:
    """The run's cells with the verdicts of their timed findings made final.

    On a row where a canary alarms, every timed verdict becomes `inconclusive` (noisy machine) and
    what was claimed of those metrics `undecided`; canaries are adjusted together like effects.
    Elsewhere p-values are adjusted together (Benjamini & Hochberg 1995) and a change that does not
    survive is `inconclusive`. A faster arm over its fidelity limit keeps its verdict with a reason.
    """
    noisy = noisy_rows(cells)
    keys = [(i, j) for i, cell in enumerate(cells) for j, f in enumerate(cell.findings) if _is_timed(f)]
    adjusted = benjamini_hochberg([_p(cells[i].findings[j]) for i, j in keys])
    q_values = dict(zip(keys, adjusted, strict=True))
    return [
        replace(
            cell,
            findings=tuple(
                _settled(f, cell, q_values[i, j], len(keys), noisy) if (i, j) in q_values else f
                for j, f in enumerate(cell.findings)
            ),
        )
        for i, cell in enumerate(cells)
    ]


def _is_timed(finding: Finding) -> bool:
    measured = finding.gate == "paired" and finding.provenance == "measured"
    return measured and finding.effect is not None and finding.effect.p is not None


def _p(finding: Finding) -> float:
    assert finding.effect is not None
    assert finding.effect.p is not None
    return finding.effect.p


def noisy_rows(cells: Sequence[Cell]) -> dict[str, str]:
    """By hardware row, the first canary that alarmed: of a hundred, one would by chance alone."""
    canaries = [(cell, f.canary, f.floor) for cell in cells for f in cell.findings if f.canary is not None]
    q_values = benjamini_hochberg([canary.p or 0.0 for _, canary, _ in canaries])
    noisy: dict[str, str] = {}
    for (cell, canary, floor), q in zip(canaries, q_values, strict=True):
        if canary_alarms(canary, floor) and q <= FALSE_DISCOVERY_RATE:
            found = f"identical arms of {cell.optimization} differ by {canary.ratio:.3f}"
            noisy.setdefault(cell.hardware, f"noisy machine: {found}")
    return noisy


def _settled(finding: Finding, cell: Cell, q: float, family: int, noisy: dict[str, str]) -> Finding:
    assert finding.effect is not None
    finding = replace(finding, effect=replace(finding.effect, q=q))
    if cell.hardware in noisy:
        claims = tuple(
            claim if claim.state == "not applicable" else replace(claim, state="undecided")
            for claim in finding.claims
        )
        return replace(finding, verdict="inconclusive", reason=noisy[cell.hardware], claims=claims)
    if finding.verdict in ("improved", "worse") and q > FALSE_DISCOVERY_RATE:
        reason = f"not significant among the run's {family} timed metrics (q = {q:.3f})"
        return replace(finding, verdict="inconclusive", reason=reason)
    if finding.verdict == "improved" and cell.fidelity in ("broken", "refused"):
        return replace(finding, reason="does not count: the fidelity limit is broken")
    return finding
