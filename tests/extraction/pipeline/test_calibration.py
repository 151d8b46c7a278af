from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.pipeline.calibration import (
    IDENTITY,
    Calibration,
    calibrate,
    read_calibration,
    write_calibration,
)

OUTCOMES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200)


@given(OUTCOMES, st.integers(1, 30), st.floats(-1, 2), st.floats(-1, 2))
def test_it_never_falls(outcomes: list[tuple[float, bool]], least: int, one: float, two: float) -> None:
    table = calibrate(outcomes, origin="test", least=least)
    low, high = sorted((one, two))
    assert 0.0 < table.probability(low) <= table.probability(high) < 1.0
    assert table.values == len(outcomes)


def test_scores_that_say_too_much_are_corrected() -> None:
    outcomes = [(0.9, number % 2 == 0) for number in range(200)] + [(0.2, False)] * 100
    table = calibrate(outcomes, origin="test")
    assert table.probability(0.9) == pytest.approx(0.5, abs=0.01)
    assert table.probability(0.2) < 0.02


def test_it_does_not_depend_on_the_order_of_outcomes() -> None:
    outcomes = [(number / 50, number % 3 > 0) for number in range(51)]
    assert calibrate(outcomes, origin="a", least=5) == calibrate(outcomes[::-1], origin="a", least=5)


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    table = calibrate([(0.1, False), (0.5, True), (0.9, True)], origin="three values", least=1)
    write_calibration(table, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == table
    assert [each.name for each in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"points": []}', '{"points": [[0, 2]], "values": 1, "origin": ""}']
)
def test_a_file_that_holds_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(HarnessError):
        read_calibration(path)


def test_a_table_rises() -> None:
    with pytest.raises(HarnessError, match="rise"):
        Calibration(((0.1, 0.5), (0.2, 0.4)))
    with pytest.raises(HarnessError, match="nothing"):
        calibrate([], origin="none")
    assert IDENTITY.probability(0.3) == pytest.approx(0.3)


def test_the_shipped_table_says_where_it_comes_from() -> None:
    table = read_calibration()
    assert table.origin
    assert table.values > 0
