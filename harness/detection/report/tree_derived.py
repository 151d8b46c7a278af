"""The decision tree that results give: problem, sequence length and memory to what helped, by how much. Pure.

Measured and modelled effects are never ranked together, and neither are two kinds of quantity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product

from harness.detection.capture.compatibility import Incompatible, incompatible
from harness.detection.report.tree import (
    GUIDE_TREE,
    TECHNIQUES,
    Band,
    Branch,
    Problem,
    Technique,
    band_of,
    technique_of,
)
from harness.detection.report.tree_leaves import (
    ANY_BUDGET,
    MODELLED,
    Budget,
    Evidence,
    Leaf,
    NotRun,
    Option,
    State,
    Tree,
)
from harness.hardware.rows import HOST_ROW, Row
from harness.measure.outcome import Cell, Finding

DETECTOR_NEEDS = ("hidden states",)
"""What every way to score has to give."""
_GIB_UNITS: Mapping[str, float] = {
    "bytes": 2.0**-30, "B": 2.0**-30, "KiB": 2.0**-20, "MiB": 2.0**-10, "GiB": 1.0, "GB": 1e9 / 2.0**30,
}  # fmt: skip
# reasons of rows that a benchmark was never meant for
_BY_DESIGN = ("host-only", "only for ")
_OTHER_MACHINE = "; this machine is "
_OF_MEMORY = ("longest_sample",)
_SHARE_OF_MEMORY = "memory_share"
_ACCURACY = ("AUC", "F1", "PCC")
# counted, not timed, and yet about speed
_COUNTED = {"padding": "padding", "attention": "attention work"}


_CARDS = ((0.0, 16.0), (16.0, 24.0), (24.0, 48.0), (48.0, math.inf))


def budgets_of(rows: Iterable[Row]) -> tuple[Budget, ...]:
    """The host and the sizes of cards, with the matrix's rows in each."""
    known = tuple(rows)
    hosts = tuple(row.name for row in known if row.kind == "host")
    found = [Budget(0.0, math.inf, hosts or (HOST_ROW,), host=True)]
    for low, high in _CARDS:
        inside = [row for row in known if row.kind == "cuda" and low < row.memory_gib <= high]
        quantized = [row.name for row in inside if row.detection.get("quantization") in ("4bit", "8bit")]
        found.append(Budget(low, high, tuple(row.name for row in inside), quantized=tuple(quantized)))
    return tuple(found)


def derive(runs: Sequence[tuple[str, Sequence[Cell]]], rows: Mapping[str, Row]) -> Tree:
    """The tree of these runs (id, cells), oldest first.

    A later cell of the same name takes an earlier one's place, unless that was measured and it was not.
    `rows` is the hardware matrix; cells of rows that it lacks get a budget of their own.
    """
    kept: dict[str, tuple[str, Cell]] = {}
    for run, cells in runs:
        for cell in cells:
            known = kept.get(cell.nodeid)
            if known is None or _weight(cell) >= _weight(known[1]):
                kept[cell.nodeid] = run, cell
    ours = [(run, cell) for _, (run, cell) in sorted(kept.items()) if technique_of(cell.optimization)]
    budgets = budgets_of(rows.values())
    strange = sorted({cell.hardware for _, cell in ours} - {row for each in budgets for row in each.rows})
    if strange:
        budgets = (*budgets, Budget(math.nan, math.nan, tuple(strange)))
    leaves = [
        _leaf(branch, band, budget, ours, rows)
        for branch in GUIDE_TREE
        for band, budget in product(branch.bands, budgets if branch.by_memory else (ANY_BUDGET,))
    ]
    others = {cell.optimization for _, cell in kept.values()} - {cell.optimization for _, cell in ours}
    return Tree(tuple(leaves), tuple(sorted({run for run, _ in ours})), tuple(sorted(others)))


def _weight(cell: Cell) -> int:
    return ("not run", "modelled", "measured").index(cell.state)


def _leaf(
    branch: Branch, band: Band, budget: Budget, ours: Sequence[tuple[str, Cell]], rows: Mapping[str, Row]
) -> Leaf:
    inside = [
        (run, cell)
        for run, cell in ours
        if (not branch.by_memory or cell.hardware in budget.rows)
        and (len(branch.bands) == 1 or _band(cell) == band)
    ]
    banned = _excluded(budget) if branch.by_memory else ()
    gone = {technique for technique, _ in banned}
    grouped: dict[tuple[Technique, str, str, str], list[Evidence]] = {}
    not_run: dict[NotRun, None] = {}
    for run, cell in inside:
        technique = technique_of(cell.optimization)
        assert technique is not None
        if technique in gone:
            continue
        value = cell.params.get(technique.choice)
        setting = f"{technique.choice}={value}" if technique.choice in cell.params else ""
        if cell.state == "not run":
            if branch.problem in technique.problems and not cell.reason.startswith(_BY_DESIGN):
                not_run[NotRun(technique, setting, cell.hardware, _reason(cell))] = None
            continue
        for finding in cell.findings:
            quantity = quantity_of(finding, branch.problem)
            if quantity and finding.verdict != "not run":
                key = technique, setting, finding.provenance, quantity
                found = Evidence(run, cell, finding, _state(cell, finding, rows.get(cell.hardware)))
                grouped.setdefault(key, []).append(found)
    options = sorted((Option(*key, tuple(found)) for key, found in grouped.items()), key=_order)
    helping = [option.technique for option in options if option.state == "helps"]
    return Leaf(
        branch.problem, band, budget, tuple(options), banned, _apart(helping, budget),
        tuple(not_run), branch.steps_for(band),
    )  # fmt: skip


def _band(cell: Cell) -> Band:
    return band_of(cell.optimization, cell.params, on_host=cell.hardware == HOST_ROW)


def _reason(cell: Cell) -> str:
    """Why a cell was not run, without the row that stands before it."""
    if _OTHER_MACHINE in cell.reason:
        return "this machine is not one, and no model says it"
    return cell.reason.replace(f"{MODELLED} {cell.hardware}: ", f"{MODELLED} ")


def quantity_of(finding: Finding, problem: Problem) -> str:
    """What a finding tells of a problem: time, work counted, memory or a score; empty for nothing."""
    if finding.gate == "bounded":
        return ""
    if problem == "low accuracy":
        return finding.unit if finding.unit in _ACCURACY else ""
    if problem == "out of memory":
        # weights, activations and files are not the same memory
        is_memory = finding.unit in _GIB_UNITS or finding.metric in _OF_MEMORY
        return finding.metric.replace("_", " ") if is_memory else ""
    if finding.unit.endswith(("/s", "/min")) or (finding.unit == "s" and finding.gate == "paired"):
        return "time"
    return _COUNTED.get(finding.metric, "") if finding.gate == "exact" else ""


def _state(cell: Cell, finding: Finding, row: Row | None) -> State:
    if cell.fidelity in ("broken", "refused"):
        return "refused"
    if _memory_share(cell, row) > 1.0:
        return "does not fit"
    effect = finding.effect
    # a model has no noise and calls every difference one; the smallest that counts is the metric's floor
    is_small = (
        effect is not None and effect.ratio > 0 and abs(math.log(effect.ratio)) < math.log1p(finding.floor)
    )
    if finding.provenance == "modelled" and is_small:
        return "no effect"
    states: Mapping[str, State] = {"improved": "helps", "unchanged": "no effect", "worse": "worse"}
    return states.get(finding.verdict, "undecided")


def _memory_share(cell: Cell, row: Row | None) -> float:
    """What the optimized arm takes of the row's memory, by its largest metric; 0 where none was read."""
    found = [0.0]
    for finding in cell.findings:
        if finding.optimized is None or finding.better == "higher":
            continue
        if finding.metric == _SHARE_OF_MEMORY:
            found.append(finding.optimized)
        elif finding.unit in _GIB_UNITS and row is not None:
            gib = finding.optimized * _GIB_UNITS[finding.unit]
            found.append(gib / (row.memory_gib * max(1, row.gpus)))
    return max(found)


def _order(option: Option) -> tuple[int, int, str, float, str]:
    states: tuple[State, ...] = (
        "helps", "depends", "undecided", "no effect", "worse", "refused", "does not fit",
    )  # fmt: skip
    provenance = ("measured", "modelled", "quoted").index(option.provenance)
    return states.index(option.state), provenance, option.quantity, option.assured, option.title


def _excluded(budget: Budget) -> tuple[tuple[Technique, Incompatible], ...]:
    """Techniques that neither the detector nor the machine allows."""
    around = (*DETECTOR_NEEDS, *(("CPU",) if budget.host else ()))
    found = ((each, _against(each.features, around)) for each in TECHNIQUES)
    return tuple((technique, pair) for technique, pair in found if pair is not None)


def _against(features: Sequence[str], around: Sequence[str]) -> Incompatible | None:
    pairs = (incompatible((feature, other)) for feature in features for other in around)
    return next((pair for pair in pairs if pair is not None), None)


def _apart(helping: Sequence[Technique], budget: Budget) -> tuple[Incompatible, ...]:
    """Pairs of what helps here, and of what helps and the guide's weights, that exclude each other."""
    weights = ("bitsandbytes",) if budget.quantized else ()
    sets = [*(each.features for each in dict.fromkeys(helping)), weights]
    found = (_against(one, other) for one, other in combinations(sets, 2))
    return tuple(dict.fromkeys(pair for pair in found if pair is not None))
