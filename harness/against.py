"""`--against REV`: this tree against a revision, by two long-lived workers whose rounds alternate.

Two revisions cannot share a process, and two processes one after the other are not comparable
(between-process noise is tens of percent). So each revision gets a worker, the rounds ping-pong
between them, and fresh pairs of workers average out what a process fixes for its whole life
(memory layout, hash seed). The interval and p are Student's t over the pairs. Counts are exact: each
worker reports those of its optimized arm once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.cells import blank_cell
from harness.errors import HarnessError
from harness.measure import stats
from harness.measure.outcome import Cell, Effect, Finding, GateResult, GateState
from harness.measure.spec import Clock, Metric
from harness.measure.verdicts import judge, judge_exact
from harness.pair import Identity
from harness.worker import Worker, counted_metrics, timed_metric

PAIRS = 5
MIN_ROUNDS = 5
MIN_SAMPLE_S = 1e-3
CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class _Served:
    """One pair of workers: seconds per call by round, and counts by metric, of base and head."""

    seconds: tuple[list[float], list[float]]
    counts: tuple[dict[str, float], dict[str, float]]


def side_by_side(
    identity: Identity, trees: tuple[Path, Path], matrix: Path, budget_s: float, seed: int
) -> Cell:
    """The cell's optimized arm in two source trees: base (arm `baseline`) and head (arm `optimized`).

    Not run when nothing of it can be compared, and, with the worker's last words, when either tree
    cannot serve the benchmark.
    """
    timed, counted = timed_metric(identity), counted_metrics(identity)
    if timed is None and not counted:
        return blank_cell(identity, "neither a gated duration nor a count: nothing to compare side by side")
    rng = np.random.default_rng(seed)
    each_s = budget_s / PAIRS if timed is not None else 0.0
    try:
        served = [_one_pair(identity.nodeid, trees, matrix, each_s, rng) for _ in range(PAIRS)]
    except HarnessError as error:
        return blank_cell(identity, error.message)
    findings = [_counted_finding(metric, served) for metric in counted]
    if timed is not None:
        findings.insert(0, _timed_finding(timed, timed.clock or identity.row.clock, served))
    return replace(blank_cell(identity, ""), state="measured", findings=tuple(findings), seed=seed)


def _timed_finding(metric: Metric, clock: Clock, served: Sequence[_Served]) -> Finding:
    before, after = ([float(np.median(pair.seconds[side])) for pair in served] for side in (0, 1))
    means = [float(np.median(stats.log_ratios(*pair.seconds))) for pair in served]
    low, high = stats.mean_t_interval(means, CONFIDENCE)
    effect = Effect(
        math.exp(float(np.mean(means))),
        math.exp(low),
        math.exp(high),
        CONFIDENCE,
        p=stats.mean_t_p(means),
        mde80=stats.minimal_detectable_effect(low, high, CONFIDENCE),
    )
    return replace(
        _blank_finding(metric, sum(len(pair.seconds[0]) for pair in served)),
        verdict=judge(effect, metric.better, metric.floor),
        clock=clock,
        baseline=float(np.median(before)),
        optimized=float(np.median(after)),
        effect=effect,
    )


def _counted_finding(metric: Metric, served: Sequence[_Served]) -> Finding:
    """Base's count against head's; every worker of a tree must give the same."""
    blank = replace(_blank_finding(metric, len(served)), verdict="inconclusive")
    found: list[float] = []
    for side, tree in enumerate(("base", "head")):
        values = {pair.counts[side].get(metric.name, math.nan) for pair in served}
        if not all(map(math.isfinite, values)):
            return replace(blank, reason=f"{tree} gives no such count")
        if len(values) > 1:
            return replace(blank, reason=f"not exact: {tree} gave {min(values):g} to {max(values):g}")
        found += values
    before, after = found
    ratio = after / before if before > 0 and after > 0 else None
    return replace(
        blank,
        verdict=judge_exact(before, after, metric.better),
        baseline=before,
        optimized=after,
        effect=None if ratio is None else Effect(ratio, ratio, ratio, 1.0),
    )


def _blank_finding(metric: Metric, rounds: int) -> Finding:
    return Finding(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        gate=metric.gate,
        provenance="measured",
        verdict="not run",
        rounds=rounds,
        floor=metric.floor,
        tolerance=metric.tolerance,
    )


def gated(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of a run side by side, each finding's gate result set from its (final) verdict."""
    return [
        replace(cell, findings=tuple(replace(f, gate_result=_gate(f)) for f in cell.findings))
        for cell in cells
    ]


def _gate(finding: Finding) -> GateResult:
    if finding.verdict == "inconclusive":
        return GateResult("inconclusive", finding.reason or "too noisy to tell head from base")
    if finding.gate == "exact":
        before, after = finding.baseline or 0.0, finding.optimized or 0.0
        if abs(after - before) > finding.tolerance * abs(before):
            changed = f"{before:,.10g} -> {after:,.10g} {finding.unit}".rstrip()
            return GateResult("left ratchet", f"head against base: {changed}")
        return GateResult("pass", "head against base")
    state: GateState = "regressed" if finding.verdict == "worse" else "pass"
    return GateResult(state, f"head against base, {PAIRS} pairs of processes")


def _one_pair(
    nodeid: str, trees: tuple[Path, Path], matrix: Path, budget_s: float, rng: np.random.Generator
) -> _Served:
    head = trees[1]
    inside = matrix.is_relative_to(head)
    with ExitStack() as stack:
        workers = []
        for tree in trees:
            own = tree / matrix.relative_to(head) if inside else matrix
            workers.append(stack.enter_context(Worker(tree, nodeid, own)))
        (base_s, base), (head_s, ours) = (worker.greeting() for worker in workers)
        iterations = max(1, math.ceil(MIN_SAMPLE_S / max(base_s, head_s, 1e-9)))
        samples: tuple[list[float], list[float]] = ([], [])
        deadline = time.perf_counter() + budget_s
        while len(samples[0]) < MIN_ROUNDS or time.perf_counter() < deadline:
            for side in rng.permutation(2):
                samples[side].append(workers[side].seconds(iterations))
        return _Served(samples, (base, ours))
