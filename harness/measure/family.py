"""Rules that need the whole run: the noisy-machine rule and false-discovery control. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.measure.outcome import Cell, Finding
from harness.measure.stats import benjamini_hochberg
from harness.measure.verdicts import FALSE_DISCOVERY_RATE, LARGE_EFFECT, canary_alarms

# by hardware row and clock, the canary that alarmed
Noise = Mapping[tuple[str, str | None], str]


def settle(cells: Sequence[Cell]) -> list[Cell]:
    """The run's cells with the verdicts of their timed findings made final.

    Where a canary alarms, every timed verdict of its hardware row and clock becomes `inconclusive`
    (noisy machine) and what was claimed of those metrics `undecided`.
    Elsewhere p-values are adjusted together (Benjamini & Hochberg 1995) and a change that does not
    survive is `inconclusive`. A faster arm over its fidelity limit keeps its verdict with a reason.
    """
    noise = noisy_clocks(cells)
    keys = [(i, j) for i, cell in enumerate(cells) for j, f in enumerate(cell.findings) if _is_timed(f)]
    adjusted = benjamini_hochberg([_p(cells[i].findings[j]) for i, j in keys])
    q_values = dict(zip(keys, adjusted, strict=True))
    return [
        replace(
            cell,
            findings=tuple(
                _settled(f, cell, q_values[i, j], len(keys), noise) if (i, j) in q_values else f
                for j, f in enumerate(cell.findings)
            ),
        )
        for i, cell in enumerate(cells)
    ]


def _is_timed(finding: Finding) -> bool:
    effect = finding.effect
    return _is_gated_by_time(finding) and effect is not None and effect.p is not None


def _is_gated_by_time(finding: Finding) -> bool:
    return finding.gate == "paired" and finding.provenance == "measured"


def _p(finding: Finding) -> float:
    assert finding.effect is not None
    assert finding.effect.p is not None
    return finding.effect.p


def noisy_clocks(cells: Sequence[Cell]) -> dict[tuple[str, str | None], str]:
    """By hardware row and clock, the first canary of a gated metric that alarmed.

    Canaries are adjusted together like effects, since one of a hundred is off by chance alone. One
    off by over 1.5x alarms whatever its p: a slow arm's few rounds cannot reach a small one.
    """
    canaries = [
        (cell, f, f.canary)
        for cell in cells
        for f in cell.findings
        if f.canary is not None and _is_gated_by_time(f)
    ]
    q_values = benjamini_hochberg([canary.p or 0.0 for _, _, canary in canaries])
    noisy: dict[tuple[str, str | None], str] = {}
    for (cell, finding, canary), q in zip(canaries, q_values, strict=True):
        is_certain = q <= FALSE_DISCOVERY_RATE or abs(math.log(canary.ratio)) >= math.log(LARGE_EFFECT)
        if canary_alarms(canary, finding.floor) and is_certain:
            found = f"identical arms of {cell.optimization} differ by {canary.ratio:.3f}"
            noisy.setdefault((cell.hardware, finding.clock), f"noisy machine: {found}")
    return noisy


def noise_of(finding: Finding, cell: Cell, noise: Noise) -> str | None:
    """Why this finding of the cell cannot be judged, or None where its row and clock are quiet."""
    return noise.get((cell.hardware, finding.clock)) if _is_gated_by_time(finding) else None


def _settled(finding: Finding, cell: Cell, q: float, family: int, noise: Noise) -> Finding:
    assert finding.effect is not None
    finding = replace(finding, effect=replace(finding.effect, q=q))
    reason = noise_of(finding, cell, noise)
    if reason is not None:
        claims = tuple(
            claim if claim.state == "not applicable" else replace(claim, state="undecided")
            for claim in finding.claims
        )
        return replace(finding, verdict="inconclusive", reason=reason, claims=claims)
    if finding.verdict in ("improved", "worse") and q > FALSE_DISCOVERY_RATE:
        reason = f"not significant among the run's {family} timed metrics (q = {q:.3f})"
        return replace(finding, verdict="inconclusive", reason=reason)
    if finding.verdict == "improved" and cell.fidelity in ("broken", "refused"):
        return replace(finding, reason="does not count: the fidelity limit is broken")
    return finding
