"""One cell: measured by its arms, modelled by their declared model, or left with a reason."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.measure import analysis
from harness.measure.outcome import Cell, Effect, Finding
from harness.measure.rounds import Plan, ready_pair, record
from harness.measure.spec import Metric
from harness.measure.verdicts import claim_finding, judge_exact
from harness.pair import Declaration, Identity


def measure_cell(identity: Identity, declaration: Declaration, plan: Plan) -> Cell:
    """Run the rounds of one cell and judge them."""
    optimization, clock = identity.optimization, identity.row.clock
    with ready_pair(
        declaration.baseline,
        declaration.optimized,
        optimization.metrics,
        clock,
        declaration.each_round,
        declaration.tally,
    ) as pair:
        recording = record(
            pair, plan, lambda so_far, confidence: analysis.settled(optimization, so_far, plan, confidence)
        )
    found = analysis.findings(optimization, recording, plan, identity.row.name, clock)
    return replace(
        blank_cell(identity, ""),
        state="measured",
        findings=found,
        samples=recording.samples(),
        fidelity=analysis.cell_fidelity(found, optimization),
    )


def model_cell(identity: Identity, declaration: Declaration, reason: str) -> Cell:
    """The cell's figures from the declared model of both arms; `model` is the model's version.

    Where an arm does not fit on the row (exit code 3) the cell is not run, with that reason.
    Raises HarnessError when the model gives no declared metric that a model can give.
    """
    assert declaration.modelled is not None
    try:
        before, after = (model(identity.row) for model in declaration.modelled)
    except HarnessError as error:
        if error.exit_code != EXIT_INFEASIBLE:
            raise
        # an answer about this hardware, not a mistake in the benchmark
        return blank_cell(identity, f"modelled: {error.message}")
    findings = tuple(
        _modelled_finding(metric, identity, before[metric.name], after[metric.name])
        for metric in identity.optimization.metrics
        if metric.compare is None and metric.name in before and metric.name in after
    )
    if not findings:
        raise HarnessError(
            "the model gives none of the declared metrics",
            where=identity.nodeid,
            allowed=", ".join(metric.name for metric in identity.optimization.metrics),
        )
    blank = blank_cell(identity, reason)
    return replace(blank, state="modelled", findings=findings, model=declaration.model_version)


def _modelled_finding(metric: Metric, identity: Identity, before: float, after: float) -> Finding:
    ratio = after / before if before > 0 and after > 0 else None
    claims = []
    for claim in identity.optimization.claims:
        if claim.metric == metric.name:
            found = after if claim.value is not None else ratio
            interval = None if found is None else (found, found)
            claims.append(claim_finding(claim, identity.row.name, interval, metric.better))
    return Finding(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        gate=metric.gate,
        provenance="modelled",
        verdict=judge_exact(before, after, metric.better),
        baseline=before,
        optimized=after,
        effect=None if ratio is None else Effect(ratio, ratio, ratio, 1.0),
        limit=metric.limit,
        floor=metric.floor,
        tolerance=metric.tolerance,
        claims=tuple(claims),
    )


def blank_cell(identity: Identity, reason: str) -> Cell:
    """The cell as it stands before anything ran; `reason` says why nothing will."""
    return Cell(
        nodeid=identity.nodeid,
        optimization=identity.optimization.name,
        title=identity.optimization.title,
        role=identity.optimization.role,
        hardware=identity.row.name,
        params=identity.params,
        state="not run",
        reason=reason,
        benchmark_hash=identity.benchmark_hash,
    )
