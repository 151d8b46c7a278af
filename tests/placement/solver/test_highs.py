from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.documented.milp import Goal, build_model
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED, DOCUMENTED, coarse_sizes, enumerate_segments
from harness.placement.solver.highs import run_highs, run_lp
from harness.placement.solver.interruption import Stop
from harness.placement.solver.program import Program, Rows


def linear(most: float) -> Program:
    """min x + 2y with 3x + 2y >= 10, x <= most."""
    rows = Rows()
    rows.add(rows.block(1, 10, np.inf), [0, 1], [3.0, 2.0])
    rows.add(rows.block(1, -np.inf, most), [0], [1.0])
    return rows.program(
        maximise=False,
        objective=np.array([1.0, 2.0]),
        lower=np.zeros(2),
        upper=np.array([np.inf, 4.0]),
        integer=np.ones(2, dtype=np.bool_),
    )


@pytest.mark.parametrize(
    ("most", "values", "duals"),
    [
        pytest.param(2, (2, 2), (1, -2), id="both rows bind"),
        pytest.param(5, (10 / 3, 0), (1 / 3, 0), id="whole columns are relaxed"),
    ],
)
def test_duals_price_the_rows(most: float, values: tuple[float, ...], duals: tuple[float, ...]) -> None:
    outcome = run_lp(linear(most))
    assert outcome is not None
    assert outcome.values == pytest.approx(values)
    assert outcome.duals == pytest.approx(duals)
    assert outcome.objective == pytest.approx(outcome.duals @ (10, most))


def test_rows_that_contradict_each_other() -> None:
    assert run_lp(linear(0.5)) is None


def knapsack() -> Program:
    """100 things, 10 limits: a good choice is found at once, the best one is not proven for minutes."""
    figures = np.random.default_rng(0)
    weights = figures.integers(1, 1000, (10, 100)).astype(float)
    rows = Rows()
    limits = rows.block(10, 0, weights.sum(axis=1) / 2)
    rows.add(limits[:, None], np.arange(100)[None, :], weights)
    return rows.program(
        maximise=True,
        objective=weights.sum(axis=0) / 10 + figures.integers(0, 500, 100),
        lower=np.zeros(100),
        upper=np.ones(100),
        integer=np.ones(100, dtype=np.bool_),
    )


def test_asked_to_stop_it_has_the_best_so_far() -> None:
    class AfterASecond(Stop):
        end = time.monotonic() + 1.0

        @property
        def asked(self) -> bool:  # type: ignore[override]
            return time.monotonic() > self.end

        @asked.setter
        def asked(self, _: bool) -> None: ...

    program = knapsack()
    outcome = run_highs(program, stop=AfterASecond())
    assert outcome.status == "feasible"
    assert outcome.values is not None
    assert outcome.objective == pytest.approx(program.objective @ outcome.values)
    columns = np.repeat(np.arange(100), np.diff(program.starts))
    weight = np.bincount(program.rows, program.values * outcome.values[columns])
    assert np.all(weight <= program.row_upper + 1e-6)
    assert math.isnan(outcome.bound) or outcome.bound >= outcome.objective
    assert math.isnan(outcome.gap) == math.isnan(outcome.bound)


def test_in_a_process_of_its_own_it_finds_the_same() -> None:
    program = linear(2)
    here, there = run_highs(program), run_highs(program, stop=Stop())
    assert here.status == there.status == "optimal"
    assert here.values is not None
    assert there.values is not None
    assert here.values.tolist() == there.values.tolist()
    assert replace(here, values=None) == replace(there, values=None)


@pytest.mark.parametrize("stop", [None, Stop()], ids=["here", "in another process"])
def test_a_refused_option_is_an_error_of_the_solver(stop: Stop | None) -> None:
    with pytest.raises(HarnessError, match="refused time_limit") as raised:
        run_highs(linear(2), time_limit_s=-1, stop=stop)
    assert raised.value.exit_code == EXIT_INFRASTRUCTURE


def test_a_limit_on_nodes_ends_at_the_same_place(medium: Problem) -> None:
    """One node is not enough for the segment program of the 6 sizes; what it gives is the same each time."""
    segments = enumerate_segments(medium, coarse_sizes(40), DOCUMENTED)
    program = build_model(segments, medium, CORRECTED, Goal(usd_per_hour=3.6)).program
    first, second = (run_highs(program, most_nodes=1) for _ in range(2))
    assert first.status in ("feasible", "no plan found")
    assert first.bound == second.bound
    assert first.objective == pytest.approx(second.objective, rel=0, nan_ok=True)
