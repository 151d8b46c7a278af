"""What fails a run: each finding of a cell against the committed baseline. Pure.

A verdict is what the pair shows and never fails anything. The gate asks whether something changed
for the worse since it was committed, or whether something shipped is broken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.errors import (
    EXIT_BASELINE,
    EXIT_DONE,
    EXIT_FIDELITY,
    EXIT_INCONCLUSIVE,
    EXIT_NOTHING_MEASURED,
    EXIT_REGRESSION,
)
from harness.measure.outcome import Cell, Finding, GateResult
from harness.measure.verdicts import LARGE_EFFECT, canary_alarms
from harness.results.baselines import (
    Baselines,
    CellBaseline,
    MetricBaseline,
    mismatch,
    pin_command,
    update_command,
)
from harness.results.change import is_regression, regression_p, worsening

# a cost model's figures travel between machines whose math libraries differ in the last digits
MODELLED_TOLERANCE = 1e-9
MINIMUM_ROUNDS = 30


def gate_cell(cell: Cell, baselines: Baselines) -> Cell:
    """The cell with every finding's `gate_result` set.

    Fidelity first: a shipped cell over its limit is `over limit` whatever was committed; a
    candidate is `refused`, or `regressed` when the committed baseline says that it held.
    """
    if cell.state == "not run":
        return cell
    entry = baselines.find(cell)
    judged = _fidelity_results(cell, baselines, entry)
    findings = [
        replace(finding, gate_result=judged.get(finding.metric) or _gate(finding, cell, baselines, entry))
        for finding in cell.findings
    ]
    return replace(cell, findings=tuple(findings))


def regression_p_values(cell: Cell, baselines: Baselines) -> dict[str, float]:
    """By metric, the p-value of each timed finding against the worse of rolling and pinned.

    Two comparisons, so the smaller p is doubled (Bonferroni): one hypothesis per finding enters the
    run's false-discovery control.
    """
    entries = [entry for entry in (baselines.find(cell), baselines.find_pinned(cell)) if entry]
    values = {}
    for finding in cell.findings:
        recorded = [entry.metrics[finding.metric] for entry in entries if finding.metric in entry.metrics]
        if is_timed(finding) and recorded:
            smallest = min(regression_p(finding, one) for one in recorded)
            values[finding.metric] = min(1.0, len(recorded) * smallest)
    return values


def not_confirmed(cell: Cell, reasons: Mapping[str, str]) -> Cell:
    """The cell with the regressions of the metrics in `reasons` taken back to `inconclusive`."""
    findings = [
        replace(finding, gate_result=GateResult("inconclusive", reasons[finding.metric]))
        if finding.metric in reasons and is_timed(finding) and finding.gate_result.state == "regressed"
        else finding
        for finding in cell.findings
    ]
    return replace(cell, findings=tuple(findings))


def is_timed(finding: Finding) -> bool:
    """Whether the finding is gated by its interval; modelled figures are gated exactly."""
    return finding.gate == "paired" and finding.provenance == "measured"


def exit_code(
    cells: Sequence[Cell],
    vanished: Iterable[object] = (),
    *,
    strict: bool = False,
    measured_only: bool = False,
    micro: int = 0,
) -> int:
    """Exit code of a run of gated cells; `micro` counts its plain measurements.

    Precedence: 14 broken fidelity, 10 regression, 13 baseline missing, incompatible or its
    benchmark vanished, 12 nothing measured (or modelled, unless `measured_only`), 11 inconclusive
    (or left over by the budget) when `strict`, else 0.
    """
    states = {finding.gate_result.state for cell in cells for finding in cell.findings}
    asked = {"measured"} if measured_only else {"measured", "modelled"}
    if "over limit" in states or any(_is_broken(cell) for cell in cells):
        return EXIT_FIDELITY
    if states & {"regressed", "left ratchet"}:
        return EXIT_REGRESSION
    if states & {"baseline missing", "incompatible"} or any(True for _ in vanished):
        return EXIT_BASELINE
    if not micro and not any(cell.state in asked for cell in cells):
        return EXIT_NOTHING_MEASURED
    if strict and ("inconclusive" in states or any(cell.reason.startswith("budget") for cell in cells)):
        return EXIT_INCONCLUSIVE
    return EXIT_DONE


def is_over(finding: Finding) -> bool:
    """Whether a bounded metric's loss is over its limit beyond its interval."""
    return finding.effect is not None and finding.limit is not None and finding.effect.low > finding.limit


def fidelity_carriers(cell: Cell) -> Sequence[Finding]:
    """The findings that show a cell's broken fidelity, none when it holds.

    Those over their limit; when no limit shows the break, every bounded one, else every finding.
    """
    if cell.fidelity not in ("broken", "refused"):
        return ()
    bounded = [finding for finding in cell.findings if finding.gate == "bounded"]
    return [finding for finding in bounded if is_over(finding)] or bounded or cell.findings


def _is_broken(cell: Cell) -> bool:
    return cell.role == "shipped" and cell.fidelity in ("broken", "refused")


def _fidelity_results(cell: Cell, baselines: Baselines, entry: CellBaseline | None) -> dict[str, GateResult]:
    return {
        finding.metric: _broken_result(cell, finding, baselines, entry) for finding in fidelity_carriers(cell)
    }


def _broken_result(
    cell: Cell, finding: Finding, baselines: Baselines, entry: CellBaseline | None
) -> GateResult:
    loss = cell.reason or "outputs differ beyond the fidelity limit"
    if finding.effect is not None and is_over(finding):
        loss = f"loss {finding.effect.ratio:.4g} over its limit {finding.limit:g}"
    if cell.role == "shipped":
        return GateResult("over limit", f"shipped, yet {loss}")
    if entry is None:
        missing = baselines.is_pinned(cell)
        return _unrecorded(True, baselines.row) if missing else GateResult("refused", loss)
    if difference := mismatch(cell, entry):
        return GateResult("incompatible", _renew(difference, baselines.row))
    recorded = entry.metrics.get(finding.metric)
    before = recorded.fidelity if recorded and finding.gate == "bounded" else entry.fidelity
    if before == "held":
        return GateResult("regressed", f"{loss}; the committed baseline says it held")
    return GateResult("refused", loss)


def _gate(finding: Finding, cell: Cell, baselines: Baselines, entry: CellBaseline | None) -> GateResult:
    if finding.gate == "report" or finding.verdict == "not run" or finding.provenance == "quoted":
        return GateResult("not gated", finding.reason)
    if entry is None:
        return _unrecorded(baselines.is_pinned(cell), baselines.row)
    if difference := mismatch(cell, entry):
        return GateResult("incompatible", _renew(difference, baselines.row))
    pinned_entry = baselines.find_pinned(cell)
    pinned = pinned_entry.metrics.get(finding.metric) if pinned_entry else None
    recorded = entry.metrics.get(finding.metric)
    if recorded is None:
        return _unrecorded(pinned is not None, baselines.row)
    if recorded.provenance != finding.provenance:
        difference = f"provenance changed: {recorded.provenance} -> {finding.provenance}"
        return GateResult("incompatible", _renew(difference, baselines.row))
    if finding.gate == "bounded":
        return _gate_bounded(finding, cell, recorded)
    if is_timed(finding):
        return _gate_timed(finding, recorded, pinned, baselines.row)
    return _gate_exact(finding, recorded, baselines.row)


def _unrecorded(is_pinned: bool, row: str) -> GateResult:
    if is_pinned:
        detail = f"pinned, but gone from the rolling baseline; restore it or run {update_command(row)}"
        return GateResult("baseline missing", detail)
    return GateResult("no baseline", f"record one: {update_command(row)}")


def _gate_bounded(finding: Finding, cell: Cell, recorded: MetricBaseline) -> GateResult:
    if "inconclusive" in (finding.verdict, cell.fidelity):
        return GateResult("inconclusive", finding.reason or "the loss may or may not be within its limit")
    if recorded.fidelity == "refused":
        return GateResult("pass", "within its limit now; the committed baseline still says refused")
    return GateResult("pass")


def _gate_exact(finding: Finding, recorded: MetricBaseline, row: str) -> GateResult:
    if finding.verdict == "inconclusive":
        return GateResult("inconclusive", finding.reason)
    changes = []
    for arm in ("baseline", "optimized"):
        old, new = getattr(recorded, arm), getattr(finding, arm)
        if not _equal(old, new, _tolerance(finding)):
            changes.append(f"{arm} {_figure(old)} -> {_figure(new)} {finding.unit}".rstrip())
    if changes:
        return GateResult("left ratchet", f"{', '.join(changes)}; if meant: {update_command(row)}")
    return GateResult("pass")


def _gate_timed(
    finding: Finding, rolling: MetricBaseline, pinned: MetricBaseline | None, row: str
) -> GateResult:
    if worsening(finding, rolling) is None:
        return GateResult("inconclusive", finding.reason or "no interval to compare with the committed one")
    least = _least_change(finding)
    if least is not None:
        if_meant = f"; if meant: {pin_command(row)}"
        for recorded, name, hint in ((rolling, "committed", ""), (pinned, "pinned", if_meant)):
            change = worsening(finding, recorded) if recorded is not None else None
            if recorded is not None and change is not None and is_regression(change, least):
                assert finding.effect is not None
                detail = f"ratio {recorded.ratio:.4g} ({name}) -> {finding.effect.ratio:.4g}"
                return GateResult("regressed", f"{detail}, {math.expm1(change[0]):.1%} worse{hint}")
    if finding.verdict == "inconclusive":
        return GateResult("inconclusive", finding.reason or "too noisy to tell")
    return GateResult("pass")


def _least_change(finding: Finding) -> float | None:
    """The smallest relative worsening that counts, or None when no comparison can be trusted.

    An optimization that lost its whole gain is too close to 1 to call against its own baseline arm,
    but plainly worse than the committed effect. Of a slow arm's few rounds only a large loss counts.
    """
    if finding.verdict != "inconclusive":
        return finding.floor
    if finding.canary is None or canary_alarms(finding.canary, finding.floor):
        return None
    return finding.floor if finding.rounds >= MINIMUM_ROUNDS else max(finding.floor, LARGE_EFFECT - 1.0)


def _tolerance(finding: Finding) -> float:
    return (
        max(finding.tolerance, MODELLED_TOLERANCE) if finding.provenance == "modelled" else finding.tolerance
    )


def _equal(old: float | None, new: float | None, tolerance: float) -> bool:
    if old is None or new is None:
        return old is new
    return abs(new - old) <= tolerance * abs(old)


def _figure(value: float | None) -> str:
    return "nothing" if value is None else f"{value:,.10g}"


def _renew(difference: str, row: str) -> str:
    return f"{difference}; if meant: {update_command(row)}"
