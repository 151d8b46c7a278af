"""Run documents as typed lines: what every output shows, one line per metric of a cell."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.measure.outcome import Cell, ClaimFinding, Finding
from harness.render import numbers
from harness.render.escape import printable
from harness.results.records import cell_from_json

Document = Mapping[str, Any]

# The order in which outcomes are told; `line.outcome` is always one of these.
OUTCOMES = (
    "improved", "within limit", "unchanged", "worse", "over limit", "refused", "inconclusive",
    "report only", "not run",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One run and its machine; `number` (1, 2, ...) is how a report refers to it."""

    number: int
    id: str
    run: Mapping[str, Any]
    machine: Mapping[str, Any]

    @property
    def hardware(self) -> str:
        """The hardware row this machine is."""
        return str(self.machine.get("hardware", "unknown"))

    @property
    def commit(self) -> str:
        """Twelve digits of the commit, marked when the tree had changes."""
        commit = str(self.run.get("commit") or "unknown")[:12]
        return f"{commit} (changed)" if self.run.get("dirty") else commit


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one cell; a cell that did not run has one line without a finding."""

    run: Run
    cell: Cell
    finding: Finding | None
    label: str

    @property
    def hardware(self) -> str:
        """The hardware row the figure is for."""
        return self.cell.hardware

    @property
    def metric(self) -> str:
        """The metric's name; empty when the cell did not run."""
        return self.finding.metric if self.finding else ""

    @property
    def unit(self) -> str:
        """The metric's unit, safe to stand beside a figure anywhere."""
        return printable(self.finding.unit, 40) if self.finding else ""

    @property
    def provenance(self) -> str:
        """`measured`, `modelled` or `quoted`; empty when nothing ran."""
        return self.finding.provenance if self.finding and self.ran else ""

    @property
    def ran(self) -> bool:
        """Whether there is a figure to show."""
        return self.finding is not None and self.finding.verdict != "not run"

    @property
    def reason(self) -> str:
        """Why nothing ran, or why the verdict is what it is."""
        return (self.finding.reason if self.finding else "") or self.cell.reason

    @property
    def outcome(self) -> str:
        """The verdict in a reader's words; a speed-up whose answers broke is `refused`."""
        if self.finding is None:
            return "not run"
        verdict, state = self.finding.verdict, self.finding.gate_result.state
        if self.finding.gate == "bounded":
            if state in ("over limit", "refused"):
                return state
            bounded = {"improved": "within limit", "unchanged": "within limit", "worse": "over limit"}
            return bounded.get(verdict, verdict)
        if self.finding.gate == "report" and verdict == "inconclusive":
            return "report only"
        return "refused" if verdict == "improved" and self.cell.fidelity in ("broken", "refused") else verdict

    @property
    def log_effect(self) -> float:
        """|log ratio|, the size by which a long table is cut; a loss counts by loss over limit."""
        if self.finding is None or self.finding.effect is None:
            return 0.0
        size = self.finding.effect.ratio
        if self.finding.gate == "bounded":
            return abs(size / self.finding.limit) if self.finding.limit else 0.0
        return abs(math.log(size)) if size > 0 and math.isfinite(size) else math.inf

    @property
    def before(self) -> str:
        """The baseline's median with its unit."""
        return numbers.quantity(self.finding.baseline, self.unit) if self.finding else numbers.NOTHING

    @property
    def after(self) -> str:
        """The optimized arm's median with its unit; for a bounded metric the loss."""
        if self.finding is None:
            return numbers.NOTHING
        effect = self.finding.effect
        if self.finding.gate == "bounded" and effect is not None:
            return numbers.quantity(effect.ratio, self.unit)
        return numbers.quantity(self.finding.optimized, self.unit)

    @property
    def ratio(self) -> str:
        """Optimized / baseline with its interval; for a bounded metric the loss's interval and limit."""
        if self.finding is None:
            return numbers.NOTHING
        effect, limit, unit = self.finding.effect, self.finding.limit, self.unit
        if self.finding.gate == "bounded":
            interval = "" if effect is None else numbers.interval(effect.low, effect.high, unit)
            against = "" if limit is None else f"limit {numbers.bound(limit, unit)}"
            return f"{interval} {against}".strip() or numbers.NOTHING
        return (
            numbers.ratio_with_interval(effect.ratio, effect.low, effect.high) if effect else numbers.NOTHING
        )

    @property
    def found(self) -> str:
        """What a claim on this metric is held against."""
        if self.finding is None or self.finding.gate != "bounded" or self.finding.effect is None:
            return self.ratio
        effect = self.finding.effect
        return f"{self.after} {numbers.interval(effect.low, effect.high, self.unit)}".rstrip()

    def promised(self, claim: ClaimFinding) -> str:
        """The claim's range, in the metric's unit when it promises a value."""
        return numbers.span(claim.low, claim.high, self.unit if claim.kind == "value" else None)


@dataclass(frozen=True, slots=True)
class View:
    """Everything a report shows, flattened; the order is the documents' own."""

    runs: tuple[Run, ...]
    lines: tuple[Line, ...]
    micro: tuple[tuple[Run, Mapping[str, Any]], ...]
    vanished: tuple[tuple[Run, Mapping[str, Any]], ...]

    @property
    def measured(self) -> tuple[Line, ...]:
        """Lines whose figures come from this machine, now."""
        return tuple(line for line in self.lines if line.provenance == "measured")

    @property
    def modelled(self) -> tuple[Line, ...]:
        """Lines whose figures were computed or quoted, never measured."""
        return tuple(line for line in self.lines if line.provenance in ("modelled", "quoted"))

    @property
    def not_run(self) -> tuple[Line, ...]:
        """Lines without a figure."""
        return tuple(line for line in self.lines if not line.ran)


def counts(lines: Iterable[Line]) -> dict[str, int]:
    """How many lines had each outcome, in telling order, zeros included."""
    found = [line.outcome for line in lines]
    return {outcome: found.count(outcome) for outcome in OUTCOMES}


def by_reason(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    """Lines that did not run, grouped by reason, largest group first."""
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.reason or "no reason recorded"].append(line)
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))


def ratio_heading(lines: Iterable[Line]) -> str:
    """`ratio [99 % CI]`, naming the confidence when all lines share one."""
    effects = [line.finding.effect for line in lines if line.finding and line.finding.effect]
    # A counted figure has no interval, so its confidence says nothing about those shown.
    levels = {effect.confidence for effect in effects if effect.low != effect.high}
    if not levels:
        return "ratio"
    return f"ratio [{round(next(iter(levels)) * 100, 3):g} % CI]" if len(levels) == 1 else "ratio [interval]"


def view(documents: Sequence[Document]) -> View:
    """Flatten run documents, or merged ones (`{"runs": [...]}`), into one view.

    Raises KeyError when a document lacks a required key of the run document contract.
    """
    flat = [run for document in documents for run in document.get("runs", (document,))]
    runs = tuple(
        Run(number, str(document["run"]["id"]), document["run"], document["machine"])
        for number, document in enumerate(flat, start=1)
    )
    cells = [
        (run, cell_from_json(raw))
        for run, document in zip(runs, flat, strict=True)
        for raw in document["cells"]
    ]
    labels = _labels(cells)
    lines = tuple(
        Line(run, cell, finding, labels[cell.optimization, _params(cell), _stem(cell)])
        for run, cell in cells
        for finding in (cell.findings or (None,))
    )
    pairs = list(zip(runs, flat, strict=True))
    return View(
        runs,
        lines,
        tuple((run, item) for run, document in pairs for item in document.get("micro", ())),
        tuple((run, item) for run, document in pairs for item in document.get("vanished", ())),
    )


def _params(cell: Cell) -> str:
    return ", ".join(f"{name}={cell.params[name]}" for name in sorted(cell.params))


def _stem(cell: Cell) -> str:
    """The test without its parameters: `benchmarks/demo/test_x.py::TestA::test_one`."""
    path, separator, name = cell.nodeid.partition("::")
    return path + separator + name.partition("[")[0]


def _labels(cells: Sequence[tuple[Run, Cell]]) -> dict[tuple[str, str, str], str]:
    """The label of each (optimization, parameters, test): parameters and test only where they tell apart."""
    variants: dict[str, set[str]] = defaultdict(set)
    tests: dict[tuple[str, str], set[str]] = defaultdict(set)
    repeated: set[tuple[str, str]] = set()
    seen: dict[tuple[int, str, str, str, str], str] = {}
    for run, cell in cells:
        params, stem = _params(cell), _stem(cell)
        variants[cell.optimization].add(params)
        tests[cell.optimization, params].add(stem)
        for metric in [finding.metric for finding in cell.findings] or [""]:
            place = (run.number, cell.optimization, params, cell.hardware, metric)
            if seen.setdefault(place, stem) != stem:
                repeated.add((cell.optimization, params))
    labels = {}
    for (optimization, params), stems in tests.items():
        label = f"{optimization} [{params}]" if len(variants[optimization]) > 1 and params else optimization
        names = {stem.partition("::")[2] for stem in stems}
        for stem in stems:
            name = stem.partition("::")[2] if len(names) == len(stems) else stem
            told = f"{label} {name}" if (optimization, params) in repeated else label
            labels[optimization, params, stem] = told
    return labels
