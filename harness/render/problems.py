"""What the gate found wrong, each with the one thing to do next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_BASELINE,
    EXIT_DONE,
    EXIT_FIDELITY,
    EXIT_INCONCLUSIVE,
    EXIT_NOTHING_MEASURED,
    EXIT_REGRESSION,
)
from harness.measure.outcome import Finding
from harness.render.numbers import percent, several
from harness.render.view import Line, Run, View

Severity = Literal["failure", "error", "notice"]

FAILURES = {"regressed": "regression", "left ratchet": "ratchet", "over limit": "fidelity"}
# Gates that hold a figure against a committed one; a figure that is only reported has none.
_COMPARED = ("paired", "exact", "bounded")
BASELINE_ERRORS = ("baseline missing", "incompatible")

_NEXT = {
    "regressed": "see how with `--explain {nodeid}`; fix it, or accept it with `--update-baseline`",
    "left ratchet": "if intended, commit the new figure: `--update-baseline` prints the difference",
    "over limit": "fix the answers, or make the optimization a candidate until it holds its limit",
    "baseline missing": "restore reports/baselines/{hardware}.json, or record it with `--update-baseline`",
    "incompatible": "the benchmark or its workload changed: record it anew with `--update-baseline`",
    "inconclusive": "rerun on a quieter machine or with a larger `--budget`",
}

_EXIT = {
    EXIT_DONE: "gate passed",
    EXIT_BAD_INPUT: "bad input",
    EXIT_REGRESSION: "gate failed: regression against the committed baseline",
    EXIT_INCONCLUSIVE: "gate failed: inconclusive under --gate=strict",
    EXIT_NOTHING_MEASURED: "gate failed: nothing was measured",
    EXIT_BASELINE: "gate failed: baseline missing or incompatible",
    EXIT_FIDELITY: "gate failed: a shipped optimization breaks its fidelity limit",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the gate holds against a cell, or a notice that fails nothing."""

    severity: Severity
    kind: str
    where: str
    what: str
    next_step: str


def problems(shown: View) -> tuple[Problem, ...]:
    """Failures first, then baseline errors, then notices."""
    found = [problem for line in shown.lines if (problem := problem_of(line)) is not None]
    found += _taken_back(shown)
    found += [
        Problem(
            "error", "vanished", str(item["nodeid"]), str(item.get("detail", "")),
            "restore the benchmark, or drop its baseline with `--update-baseline`",
        )
        for _, item in shown.vanished
    ]  # fmt: skip
    found += _without_baseline(shown)
    order = ("failure", "error", "notice")
    return tuple(sorted(found, key=lambda problem: order.index(problem.severity)))


def problem_of(line: Line) -> Problem | None:
    """What the gate holds against one line, if anything."""
    if line.finding is None:
        return None
    state, detail = line.finding.gate_result.state, line.finding.gate_result.detail
    strict = line.run.run.get("gate") == "strict"
    if state in FAILURES:
        severity: Severity = "failure"
    elif state in BASELINE_ERRORS or (state == "inconclusive" and strict):
        severity = "error"
    else:
        return None
    next_step = _NEXT[state].format(nodeid=line.cell.nodeid, hardware=line.hardware)
    return Problem(
        severity, state, f"{line.cell.nodeid} {line.finding.metric}", detail or line.reason, next_step
    )


def _taken_back(shown: View) -> list[Problem]:
    """One notice per cell whose comparison with its committed baseline was not decided."""
    undecided: dict[tuple[int, str], list[Finding]] = {}
    for line in shown.lines:
        found = line.finding
        if found is None or found.gate not in _COMPARED or line.run.run.get("gate") == "strict":
            continue
        if found.gate_result.state == "inconclusive" and found.gate_result.detail:
            undecided.setdefault((line.run.number, line.cell.nodeid), []).append(found)
    return [
        Problem(
            "notice", "inconclusive", f"{nodeid} {', '.join(found.metric for found in findings)}",
            "; ".join(dict.fromkeys(found.gate_result.detail for found in findings)),
            _NEXT["inconclusive"],
        )
        for (_, nodeid), findings in undecided.items()
    ]  # fmt: skip


def _without_baseline(shown: View) -> list[Problem]:
    rows: dict[str, int] = {}
    for line in shown.lines:
        if line.finding is not None and line.finding.gate_result.state == "no baseline":
            rows[line.hardware] = rows.get(line.hardware, 0) + 1
    return [
        Problem(
            "notice", "no baseline", row, f"{several(rows[row], 'figure')} never had a baseline",
            f"record it with `pytest benchmarks -m {row} --update-baseline`",
        )
        for row in sorted(rows)
    ]  # fmt: skip


def gate_outcome(run: Run) -> str:
    """The run's exit code in words."""
    code = run.run.get("exit_code")
    if code is None:
        return f"unfinished; continue with `--resume {run.id}`"
    if run.run.get("gate") == "off" and code == EXIT_DONE:
        return "gate off"
    return _EXIT.get(code, f"ended with exit code {code}")


def failed(run: Run) -> bool:
    """Whether the run ended with anything but success."""
    return run.run.get("exit_code") != EXIT_DONE


def inconclusive_hint(lines: tuple[Line, ...]) -> str:
    """` (detects >= 7.7 %; rerun with --budget 7)` for lines that more rounds would decide.

    Rounds needed grow with the square of the smallest effect to be seen, so a cell's time does too.
    """
    undecided = [
        (line.cell, line.finding.effect.mde80, line.finding.floor)
        for line in lines
        if line.outcome == "inconclusive"
        and line.finding
        and line.finding.effect
        and line.finding.effect.mde80
    ]
    if not undecided:
        return ""
    worst = max(mde or 0.0 for _, mde, _ in undecided)
    needed: dict[str, float] = {}
    for cell, mde, floor in undecided:
        if floor > 0 and mde is not None and mde > floor and cell.elapsed_s > 0:
            needed[cell.nodeid] = max(needed.get(cell.nodeid, 0.0), cell.elapsed_s * (mde / floor) ** 2)
    hint = f"detects >= {percent(worst)}"
    return f" ({hint}; rerun with --budget {math.ceil(sum(needed.values()))})" if needed else f" ({hint})"
