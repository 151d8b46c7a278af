"""The gate's second opinion: what a fresh process takes back, on made-up cells."""

from dataclasses import replace

import pytest

from harness.judging import judged, ungated
from harness.measure.outcome import Cell, Effect, Finding
from harness.results import Baselines
from harness.results.baselines import CellBaseline, MetricBaseline, Origin

ORIGIN = Origin("run-1", "c0ffee", "2026-11-21T01:02:03+00:00", "sha256:0")


def effect(ratio: float, p: float = 1e-6) -> Effect:
    return Effect(ratio, ratio * 0.99, ratio * 1.01, 0.99, p=p)


def cell(ratio: float, name: str = "a", p: float = 1e-6, canary: float = 1.0) -> Cell:
    finding = Finding(
        metric="duration",
        unit="s",
        better="lower",
        gate="paired",
        provenance="measured",
        verdict="improved" if ratio < 1 else "worse",
        rounds=40,
        baseline=1.0,
        optimized=ratio,
        effect=effect(ratio, p),
        canary=effect(canary, 0.9 if canary == 1.0 else 1e-6),
        floor=0.025,
    )
    return Cell(
        nodeid=f"benchmarks/test_{name}.py::test_{name}[cpu]",
        optimization=name,
        title=name,
        role="candidate",
        hardware="cpu",
        params={},
        state="measured",
        findings=(finding,),
    )


def recorded(*cells: Cell) -> dict[str, Baselines]:
    """A committed baseline in which each of these cells had a ratio of 0.5."""
    metric = MetricBaseline(
        gate="paired",
        unit="s",
        better="lower",
        provenance="measured",
        baseline=1.0,
        optimized=0.5,
        ratio=0.5,
        low=0.495,
        high=0.505,
        confidence=0.99,
        tolerance=0.0,
        floor=0.025,
        fidelity="none",
    )
    entry = CellBaseline("", "", None, None, "none", ORIGIN, {"duration": metric})
    return {"cpu": Baselines("cpu", {cell.nodeid: {"measured": entry} for cell in cells})}


def results(cells) -> list[tuple[str, str]]:
    return [(f.gate_result.state, f.gate_result.detail) for cell in cells for f in cell.findings]


class Fresh:
    """Stands in for the fresh process; notes what it was asked."""

    def __init__(self, *cells: Cell) -> None:
        self.cells = {cell.nodeid: cell for cell in cells}
        self.asked: list[list[str]] = []

    def __call__(self, nodeids):
        self.asked.append(list(nodeids))
        return self.cells


def test_a_regression_that_repeats_says_so():
    slow = cell(0.8)
    fresh = Fresh(cell(0.81))
    ((state, detail),) = results(judged([slow], recorded(slow), fresh))
    assert state == "regressed"
    assert detail.endswith("60.0% worse; repeated in a fresh process")
    assert fresh.asked == [[slow.nodeid]]


@pytest.mark.parametrize(
    ("again", "why"),
    [
        ([cell(0.5)], "did not repeat in a fresh process"),
        ([cell(0.505)], "did not repeat in a fresh process"),
        ([cell(0.8, canary=1.3)], "did not repeat in a fresh process"),
    ],
    ids=["gone", "within the floor", "noisy"],
)
def test_a_regression_that_does_not_repeat_is_taken_back(again, why):
    slow = cell(0.8)
    assert results(judged([slow], recorded(slow), Fresh(*again))) == [("inconclusive", why)]


def test_a_regression_that_could_not_be_repeated_stands():
    slow = cell(0.8)
    ((state, detail),) = results(judged([slow], recorded(slow), Fresh()))
    assert state == "regressed"
    assert detail.endswith("could not be repeated in a fresh process")


def test_only_the_suspects_are_measured_again_and_only_once():
    slow, fast = cell(0.8), cell(0.5, "b")
    fresh = Fresh(cell(0.8))
    after = judged([fast, slow], recorded(slow, fast), fresh)
    assert fresh.asked == [[slow.nodeid]]
    assert [state for state, _ in results(after)] == ["pass", "regressed"]


def test_nothing_is_measured_again_when_nothing_regressed():
    fast, fresh = cell(0.5), Fresh()
    assert results(judged([fast], recorded(fast), fresh)) == [("pass", "")]
    assert fresh.asked == []


def test_without_confirmation_the_first_process_decides():
    slow = cell(0.8)
    ((state, detail),) = results(judged([slow], recorded(slow), None))
    assert state == "regressed"
    assert "fresh process" not in detail


def test_a_counted_metric_needs_no_second_opinion():
    slow = cell(0.8)
    counted = replace(slow.findings[0], gate="exact", metric="duration", effect=None)
    left = replace(slow, findings=(counted,))
    fresh = Fresh()
    ((state, _),) = results(judged([left], recorded(left), fresh))
    assert state == "left ratchet"
    assert fresh.asked == []


def test_a_noisy_machine_accuses_nobody():
    slow, loud, fresh = cell(0.8), cell(0.5, "b", canary=1.3), Fresh()
    after = judged([slow, loud], recorded(slow, loud), fresh)
    assert results(after)[0] == ("inconclusive", "noisy machine: identical arms of b differ by 1.300")
    assert fresh.asked == []


def test_one_slight_regression_among_many_metrics_may_be_chance():
    slight = replace(cell(0.5), findings=(replace(cell(0.5).findings[0], effect=wide(0.516)),))
    crowd = [cell(0.5, f"n{i}") for i in range(60)]
    alone = results(judged([slight], recorded(slight), None))
    assert alone[0][0] == "regressed"
    among = results(judged([slight, *crowd], recorded(slight, *crowd), None))
    assert among[0][0] == "inconclusive"
    assert "may be chance among 61 timed metrics" in among[0][1]


def wide(ratio: float) -> Effect:
    """An effect whose regression against 0.5 is just significant when it stands alone."""
    return Effect(ratio, ratio / 1.024, ratio * 1.024, 0.99, p=1e-6)


def test_gate_off_judges_nothing():
    assert results(ungated([cell(2.0)])) == [("not gated", "gate off")]
