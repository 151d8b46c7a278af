"""One run: which cells are measured, modelled or not run, under one budget, each kept as it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from harness.cells import blank_cell, measure_cell, model_cell
from harness.errors import HarnessError
from harness.hardware import Machine as DescribedMachine
from harness.hardware import Matrix, Row, describe_machine, machine_document, matching_row, missing_here
from harness.measure.noise import noise_floor
from harness.measure.outcome import Cell
from harness.measure.rounds import Plan
from harness.pair import Declaration, Identity
from harness.provenance import commit
from harness.results import (
    Machine,
    Run,
    create_run,
    load_cells,
    new_run_id,
    recover_document,
    resolve_run,
    save_cell,
)

GateMode = Literal["default", "strict", "off"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asked for; `command` repeats it for the record."""

    root: Path
    report_dir: Path
    baseline_dir: Path
    budget_s: float
    gate: GateMode
    confirm: bool
    measured_only: bool
    update_baseline: bool
    pin_baseline: bool
    seed: int
    resume: str
    command: tuple[str, ...]


def begin(settings: Settings, matrix: Matrix, selected_rows: Sequence[str], cells_to_measure: int) -> Session:
    """Open the run folder, or the one to be resumed; measures the noise floor when there is work.

    Raises HarnessError (exit 4) for a run to resume that does not exist or comes from elsewhere.
    """
    described = describe_machine()
    here = matrix.row(matching_row(described, matrix))
    floor = noise_floor(here.clock if here.clock != "cuda_event" else "wall") if cells_to_measure else None
    machine = _machine(described, here, floor)
    if settings.resume:
        run_dir, run = _resumed(settings, machine)
    else:
        now = datetime.now(UTC)
        run = _run(settings, new_run_id(now, os.urandom(8)), now, selected_rows)
        run_dir = create_run(settings.report_dir, run["id"], run, machine)
    session = Session(settings, matrix, here, run, machine, run_dir, cells_to_measure)
    if settings.resume:
        session.cells = load_cells(run_dir)
        session.spent_s = sum(cell.elapsed_s for cell in session.cells.values())
    return session


def _machine(described: DescribedMachine, here: Row, floor: float | None) -> Machine:
    document = {**machine_document(described), "hardware": here.name, "noise_floor": floor}
    return cast(Machine, {**document, "isolated": here.isolated})


def _run(settings: Settings, run_id: str, now: datetime, selected_rows: Sequence[str]) -> Run:
    revision, dirty = commit(settings.root)
    return Run(
        id=run_id,
        started=now.isoformat(timespec="seconds"),
        finished=None,
        commit=revision,
        dirty=dirty,
        command=list(settings.command),
        seed=settings.seed,
        budget_s=settings.budget_s,
        gate=settings.gate,
        exit_code=None,
        selected_rows=sorted(selected_rows),
    )


def _resumed(settings: Settings, machine: Machine) -> tuple[Path, Run]:
    run_dir = resolve_run(settings.report_dir, settings.resume)
    interrupted = recover_document(run_dir)
    if interrupted["machine"]["fingerprint"] != machine["fingerprint"]:
        raise HarnessError(
            "this run was measured on another machine",
            where=str(run_dir),
            next_step="resume it there, or start a new run here and merge: harness report RUN RUN",
        )
    return run_dir, interrupted["run"]


@dataclass(slots=True)
class Session:
    """The state of one run. `cells` holds every finished cell by nodeid, resumed ones included."""

    settings: Settings
    matrix: Matrix
    here: Row
    run: Run
    machine: Machine
    run_dir: Path
    cells_to_measure: int
    cells: dict[str, Cell] = field(default_factory=dict)
    spent_s: float = 0.0
    on_start: Callable[[str, int, int, float], None] = lambda nodeid, done, total, left_s: None
    _started: int = 0

    def not_run(self, identity: Identity, reason: str) -> Cell:
        """Keep a cell that is not run, with the reason in one line."""
        return self._keep(blank_cell(identity, reason))

    def settle(self, identity: Identity, declaration: Declaration) -> Cell:
        """Measure the cell on this machine, or model it, or say why neither is possible."""
        known = self.cells.get(identity.nodeid)
        if known is not None and known.state != "not run" and _same_work(known, identity, declaration):
            return known
        reason = missing_here(identity.row, self.here, identity.optimization.requires)
        if reason is None:
            cell = self._measure(identity, declaration)
        elif declaration.modelled is not None and not self.settings.measured_only:
            cell = model_cell(identity, declaration, reason)
        else:
            cell = blank_cell(identity, reason)
        return self._keep(replace(cell, workload_hash=declaration.workload_hash))

    def _keep(self, cell: Cell) -> Cell:
        save_cell(self.run_dir, cell)
        self.cells[cell.nodeid] = cell
        return cell

    def _measure(self, identity: Identity, declaration: Declaration) -> Cell:
        left_s = self.settings.budget_s - self.spent_s
        waiting = max(1, self.cells_to_measure - self._started)
        self._started += 1
        if left_s <= 0:
            return blank_cell(identity, "budget: used up by earlier cells; rerun with a larger --budget")
        self.on_start(identity.nodeid, self._started, self.cells_to_measure, left_s)
        began = time.perf_counter()
        plan = Plan(budget_s=left_s / waiting, seed=self.settings.seed)
        cell = measure_cell(identity, declaration, plan)
        elapsed_s = time.perf_counter() - began
        self.spent_s += elapsed_s
        return replace(cell, elapsed_s=elapsed_s, seed=self.settings.seed)


def _same_work(cell: Cell, identity: Identity, declaration: Declaration) -> bool:
    unchanged = cell.benchmark_hash == identity.benchmark_hash
    return unchanged and cell.workload_hash == declaration.workload_hash
