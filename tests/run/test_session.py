"""How a run shares its budget out, with made-up measurements."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import session as under_test
from harness.cells import blank_cell
from harness.hardware import load_matrix
from harness.measure.arms import Arm
from harness.measure.probes import Tally
from harness.measure.spec import Metric, Optimization
from harness.options import Settings
from harness.pair import Declaration, Identity

ROOT = Path(__file__).resolve().parents[2]
MATRIX = load_matrix(ROOT / "hardware_matrix.toml")
CPU, L4 = MATRIX.row("cpu"), MATRIX.row("l4")
DURATION = Metric("duration", "s", gate="paired")
DECLARATION = Declaration(Arm(int), Arm(int), None, None, "", "w", Tally())
BUDGET_S = 12.0


def identity(number: int, row=CPU, benchmark: str = "h") -> Identity:
    optimization = Optimization("made_up", "Made up", metrics=(DURATION,))
    nodeid = f"benchmarks/test_{number}.py::test[{row.name}]"
    return Identity(nodeid, optimization, row, {}, benchmark)


@pytest.fixture
def shares(monkeypatch):
    """The budget that each measured cell was given, in order; measuring takes no time."""
    given: list[float] = []

    def measure(cell, declaration, plan):
        given.append(plan.budget_s)
        return known_cell(cell)

    monkeypatch.setattr(under_test, "measure_cell", measure)
    monkeypatch.setattr(under_test.time, "perf_counter", lambda: 0.0)
    return given


def known_cell(of: Identity, state: str = "measured"):
    return replace(blank_cell(of, ""), state=state, workload_hash="w")


def opened(folder: Path, to_measure: int, known=()):
    (folder / "cells").mkdir()
    settings = Settings(
        root=ROOT, matrix_path=ROOT / "hardware_matrix.toml", report_dir=folder, baseline_dir=folder,
        budget_s=BUDGET_S, gate="default", confirm=True, measured_only=False, update_baseline=False,
        pin_baseline=False, seed=0, resume="", against="", model="", endpoint="", command=(), forwarded=(),
    )  # fmt: skip
    session = under_test.Session(settings, MATRIX, CPU, None, None, folder, to_measure)
    session.cells = {cell.nodeid: cell for cell in known}
    return session


def test_every_cell_gets_its_share_of_what_is_left(tmp_path, shares):
    session = opened(tmp_path, 4)
    for number in range(4):
        session.settle(identity(number), DECLARATION)
    assert shares == [BUDGET_S / 4, BUDGET_S / 3, BUDGET_S / 2, BUDGET_S]


def test_known_cells_leave_their_share_to_the_others(tmp_path, shares):
    session = opened(tmp_path, 4, [known_cell(identity(0)), known_cell(identity(1))])
    for number in range(4):
        session.settle(identity(number), DECLARATION)
    assert shares == [BUDGET_S / 2, BUDGET_S]


def test_known_modelled_cells_had_no_share_to_leave(tmp_path, shares):
    known = [known_cell(identity(0)), known_cell(identity(0, L4), "modelled")]
    session = opened(tmp_path, 3, known)
    for cell in (identity(0), identity(0, L4), identity(1), identity(2)):
        session.settle(cell, DECLARATION)
    assert shares == [BUDGET_S / 2, BUDGET_S]


def test_a_known_cell_of_a_changed_benchmark_is_measured_again(tmp_path, shares):
    session = opened(tmp_path, 2, [known_cell(identity(0)), known_cell(identity(1))])
    session.settle(identity(0, benchmark="other"), DECLARATION)
    session.settle(identity(1), DECLARATION)
    assert shares == [BUDGET_S / 2]


def test_a_failed_cell_is_tried_again(tmp_path, shares):
    session = opened(tmp_path, 1, [blank_cell(identity(0), "failed: ValueError")])
    assert session.settle(identity(0), DECLARATION).state == "measured"
    assert shares == [BUDGET_S]


def test_a_settled_cell_is_not_overwritten_by_a_later_failure(tmp_path, shares):
    session = opened(tmp_path, 1)
    session.settle(identity(0), DECLARATION)
    session.note(identity(0), "failed: AssertionError")
    assert session.cells[identity(0).nodeid].state == "measured"


def test_an_arm_that_fails_late_has_used_its_time(tmp_path, shares, monkeypatch):
    clock = iter([0.0, 9.0, 9.0, 9.0])
    monkeypatch.setattr(under_test.time, "perf_counter", lambda: next(clock))
    measure = under_test.measure_cell
    monkeypatch.setattr(under_test, "measure_cell", _fails)
    session = opened(tmp_path, 2)
    with pytest.raises(ValueError, match="late"):
        session.settle(identity(0), DECLARATION)
    monkeypatch.setattr(under_test, "measure_cell", measure)
    session.settle(identity(1), DECLARATION)
    assert shares == [BUDGET_S - 9.0]


def _fails(*_):
    raise ValueError("late")
