"""One run: which cells are measured, modelled or not run, under one budget, each kept as it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from harness.against import side_by_side
from harness.cells import blank_cell, measure_cell, model_cell
from harness.errors import HarnessError
from harness.hardware import (
    Checkpoint,
    Matrix,
    ModelOverride,
    Row,
    describe_machine,
    hub_folder,
    lacks,
    machine_document,
    matching_row,
    missing_here,
    missing_weights,
    resolve_model,
    unmatched_note,
)
from harness.hardware import Machine as DescribedMachine
from harness.measure.noise import noise_floor
from harness.measure.outcome import Cell
from harness.measure.rounds import Plan
from harness.measure.spec import Requires
from harness.options import Settings
from harness.pair import Declaration, Identity
from harness.plain import PlainRecord, load_plain, plain_record, save_plain
from harness.provenance import commit
from harness.render import MatrixSummary, header_lines
from harness.results import (
    Machine,
    Run,
    RunDocument,
    create_run,
    is_finished,
    load_cells,
    new_run_id,
    read_baselines,
    read_run,
    recover_document,
    resolve_run,
    save_cell,
    save_header,
)
from harness.worker import checkout


def machine_row(matrix: Matrix) -> Row:
    """The row that this machine is. Raises HarnessError (exit 4) when several rows describe it."""
    return matrix.row(matching_row(describe_machine(), matrix))


def begin(settings: Settings, matrix: Matrix, cells: Sequence[tuple[Row, Requires]]) -> Session:
    """Open the run folder, or the one to be resumed; measures the noise floor when there is work.

    `cells` are the selected cells' rows and requirements. Raises HarnessError (exit 4) for a run to
    resume that does not exist, is finished or was measured on another machine, and for an unknown
    reference; exit 13 for a baseline that cannot be read.
    """
    resources = ExitStack()
    base_run, base_tree = _reference(settings, resources) if settings.against else (None, None)
    described = describe_machine()
    here = matrix.row(matching_row(described, matrix))
    work = [row for row, needs in cells if not lacks(row, needs) and not missing_here(row, here.name, needs)]
    floor = noise_floor(here.clock if here.clock != "cuda_event" else "wall") if work else None
    machine = _machine(described, here, floor)
    selected_rows = {row.name for row, _ in cells} or {here.name}
    for row in sorted(selected_rows):
        read_baselines(settings.baseline_dir, row)  # a damaged one is refused before the work, not after
    if settings.resume:
        run_dir, run = _resumed(settings, machine, selected_rows)
        settings = replace(settings, seed=run["seed"])
    else:
        now = datetime.now(UTC)
        run = _run(settings, new_run_id(now, os.urandom(8)), now, selected_rows)
        run_dir = create_run(settings.report_dir, run["id"], run, machine)
    session = Session(settings, matrix, here, run, machine, run_dir, len(work))
    session.resources, session.base_run, session.base_tree = resources, base_run, base_tree
    if settings.resume:
        session.cells, session.plain = load_cells(run_dir), load_plain(run_dir)
        session.spent_s = sum(cell.elapsed_s for cell in session.cells.values())
    return session


def header(session: Session, *, color: bool) -> list[str]:
    """The first lines of a run: what is not measured, this machine and its noise, the matrix."""
    selected = session.run["selected_rows"]
    here = [
        name for name, row in session.matrix.rows.items() if name == session.here.name or row.kind == "host"
    ]
    asked = tuple(name for name in session.matrix.rows if name in selected and name not in here)
    others = tuple(name for name in session.matrix.rows if name not in here and name not in asked)
    summary = MatrixSummary(tuple(here), asked, others)
    note = unmatched_note(describe_machine(), session.matrix) or ""
    settings = session.settings
    return header_lines(
        session.machine, summary, clock=session.here.clock, gate=settings.gate, color=color, note=note
    )


def _machine(described: DescribedMachine, here: Row, floor: float | None) -> Machine:
    document = {**machine_document(described), "hardware": here.name, "noise_floor": floor}
    return cast(Machine, {**document, "isolated": here.isolated})


def _run(settings: Settings, run_id: str, now: datetime, selected_rows: Iterable[str]) -> Run:
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


def _resumed(settings: Settings, machine: Machine, selected_rows: Iterable[str]) -> tuple[Path, Run]:
    """The interrupted run's folder and its header, which takes over the new call's rows and budget."""
    run_dir = resolve_run(settings.report_dir, settings.resume)
    if is_finished(run_dir):
        raise HarnessError(
            "this run is finished, and runs are never changed",
            where=str(run_dir),
            next_step="start a new run, or name the one that was interrupted",
        )
    interrupted = recover_document(run_dir)
    if interrupted["machine"]["fingerprint"] != machine["fingerprint"]:
        raise HarnessError(
            "this run was measured on another machine",
            where=str(run_dir),
            next_step="resume it there, or start a new run here and merge: harness report RUN RUN",
        )
    run = interrupted["run"]
    run["selected_rows"] = sorted({*run["selected_rows"], *selected_rows})
    run["budget_s"], run["gate"], run["command"] = settings.budget_s, settings.gate, list(settings.command)
    save_header(run_dir, run, machine)
    return run_dir, run


def _reference(settings: Settings, resources: ExitStack) -> tuple[RunDocument | None, Path | None]:
    """`--against`: a stored run if one has that name, else a checkout of that git revision."""
    try:
        return read_run(resolve_run(settings.report_dir, settings.against)), None
    except HarnessError:
        return None, resources.enter_context(checkout(settings.root, settings.against))


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
    plain: dict[str, PlainRecord] = field(default_factory=dict)
    spent_s: float = 0.0
    base_tree: Path | None = None
    base_run: RunDocument | None = None
    resources: ExitStack = field(default_factory=ExitStack)
    on_start: Callable[[str, int, int, float], None] = lambda nodeid, done, total, left_s: None
    _started: int = 0

    def refuse(self, identity: Identity) -> Cell | None:
        """The cell, kept as not run, when the optimization does not apply to its row at all."""
        reason = lacks(identity.row, identity.optimization.requires)
        return self._keep(blank_cell(identity, reason)) if reason else None

    def settle(self, identity: Identity, declaration: Declaration) -> Cell:
        """Measure the cell on this machine, or model it, or say why neither is possible."""
        known = self.cells.get(identity.nodeid)
        if known is not None and known.state != "not run" and _same_work(known, identity, declaration):
            self.cells_to_measure -= known.state == "measured"
            return known
        reason = self._missing(identity)
        if reason is None:
            cell = self._measure(identity, declaration)
        elif declaration.modelled is not None and not self.settings.measured_only:
            cell = model_cell(identity, declaration, reason)
        else:
            cell = blank_cell(identity, reason)
        checkpoint = self.checkpoint(identity)
        if checkpoint is not None and cell.state == "measured":
            cell = replace(cell, model=checkpoint.location, engine=checkpoint.engine)
        return self._keep(replace(cell, workload_hash=declaration.workload_hash))

    def note(self, identity: Identity, reason: str) -> None:
        """Keep a cell that its own test failed or skipped, unless it was settled before that."""
        known = self.cells.get(identity.nodeid)
        if known is None or known.reason.startswith(("failed", "skipped")):
            self._keep(blank_cell(identity, reason))

    def keep_plain(self, benchmarks: Iterable[Any], nodeid: str) -> None:
        """Keep what pytest-benchmark measured in the test `nodeid`, which has to have passed."""
        for bench in benchmarks:
            if bench and bench.fullname == nodeid:
                self.plain[bench.fullname] = save_plain(self.run_dir, plain_record(bench, self.here.name))

    def checkpoint(self, identity: Identity) -> Checkpoint | None:
        """The weights this cell runs, `--model` and `--endpoint` considered; None when it needs none.

        Of an endpoint the engine is `endpoint`, the location its URL.
        """
        role = identity.optimization.requires.model
        if not role:
            return None
        found = resolve_model(self.matrix, role, identity.row.name, self._override())
        if found is not None and self.settings.endpoint:
            return replace(found, engine="endpoint", location=self.settings.endpoint)
        return found

    def _override(self) -> ModelOverride:
        return ModelOverride(self.settings.model, self.settings.endpoint)

    def _missing(self, identity: Identity) -> str | None:
        requires = identity.optimization.requires
        reason = missing_here(identity.row, self.here.name, requires)
        if reason or not requires.model:
            return reason
        hub = hub_folder(os.environ, Path.home())
        return missing_weights(self.matrix, requires.model, identity.row.name, hub, self._override())

    def _keep(self, cell: Cell) -> Cell:
        save_cell(self.run_dir, cell)
        self.cells[cell.nodeid] = cell
        return cell

    def _measure(self, identity: Identity, declaration: Declaration) -> Cell:
        settings, left_s = self.settings, self.settings.budget_s - self.spent_s
        waiting = max(1, self.cells_to_measure - self._started)
        self._started += 1
        if left_s <= 0:
            return blank_cell(identity, "budget: used up by earlier cells; rerun with a larger --budget")
        self.on_start(identity.nodeid, self._started, self.cells_to_measure, left_s)
        began = time.perf_counter()
        try:
            if self.base_tree is not None:
                trees = (self.base_tree, settings.root)
                cell = side_by_side(identity, trees, settings.matrix_path, left_s / waiting, settings.seed)
            else:
                cell = measure_cell(
                    identity, declaration, Plan(budget_s=left_s / waiting, seed=settings.seed)
                )
        finally:
            elapsed_s = time.perf_counter() - began
            self.spent_s += elapsed_s
        return replace(cell, elapsed_s=elapsed_s, seed=settings.seed)


def _same_work(cell: Cell, identity: Identity, declaration: Declaration) -> bool:
    unchanged = cell.benchmark_hash == identity.benchmark_hash
    return unchanged and cell.workload_hash == declaration.workload_hash
