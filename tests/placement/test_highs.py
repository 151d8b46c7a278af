from __future__ import annotations

import numpy as np
import pytest

from harness.placement.highs import run_lp
from harness.placement.program import Program, Rows


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
