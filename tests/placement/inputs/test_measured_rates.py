from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import EXIT_BAD_INPUT, HarnessError
from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.inputs.measured_rates import read_rates
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED, TP_DEGREES, tp_degrees
from harness.placement.stages import stage_table

HEADER = "gpu_type,tp,layers,tokens_per_s"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_only_stages_with_a_row_exist(tmp_path: Path, tiny: Problem) -> None:
    # More layers are faster here, and no memory could hold them.
    path = write(tmp_path / "rates.csv", "A100,1,1,50", "# warm", "A100,1,3,80.5", "T4,2,2,70")
    rates = read_rates(path, tiny)
    a100, t4 = tiny.pool
    assert rates.name == "measured"
    assert rates.tokens_per_s(tiny.config, a100, 1).tolist() == [0, 50, 0, 80.5, 0]
    assert rates.prefill_s(tiny.config, a100, 1)[[1, 3]].tolist() == [1024 / 50, 1024 / 80.5]
    assert np.isinf(rates.prefill_s(tiny.config, a100, 1)[[0, 2, 4]]).all()
    assert rates.layer_range(tiny.config, a100, 1) == (1, 3)
    assert rates.layer_range(tiny.config, a100, 2) == rates.layer_range(tiny.config, t4, 1) == (1, 0)
    table = stage_table(tiny, rates=rates)
    assert table.thresholds.tolist() == [50, 70, 80.5]
    # 4 layers from stages of 1, 3 and 2: on one A100 each, or with the T4s.
    assert cheapest_choice(table, 1) == ((0, 1), (0, 3))
    assert cheapest_choice(table, 60) is None


def test_a_prompt_has_the_time_that_was_measured(tmp_path: Path, tiny: Problem) -> None:
    path = write(tmp_path / "rates.csv", "T4,1,4,100,0.25", header=f"{HEADER},prefill_s")
    rates = read_rates(path, tiny)
    assert rates.prefill_s(tiny.config, tiny.pool[1], 1)[4] == 0.25


def test_small_stages_stay_forbidden(tmp_path: Path, medium: Problem) -> None:
    path = write(tmp_path / "rates.csv", "A100,1,4,900", "A100,1,5,800")
    assert stage_table(medium, rates=read_rates(path, medium)).thresholds.tolist() == [800]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("A10,1,1,9", r"line 3: unknown gpu_type 'A10' \(allowed: A100, T4\); did you mean 'A100'\?"),
        ("A100,4,1,9", r"line 3, tp: '4' is not allowed \(allowed: 1, 2 on 2 x A100\)"),
        ("A100,3,1,9", r"line 3, tp: '3' is not allowed"),
        ("A100,,1,9", r"line 3, tp: '' is not allowed"),
        ("A100,1,0,9", r"line 3, layers: '0' is not allowed \(allowed: a whole number from 1 to 4\)"),
        ("A100,1,5,9", r"line 3, layers: '5' is not allowed"),
        ("A100,1,1.5,9", r"line 3, layers: '1\.5' is not allowed"),
        ("A100,1,1,0", r"line 3, tokens_per_s: '0' is not allowed \(allowed: a number from 1e-15"),
        ("A100,1,1,-3", r"line 3, tokens_per_s: '-3' is not allowed"),
        ("A100,1,1,nan", r"line 3, tokens_per_s: 'nan' is not allowed"),
        ("A100,1,1,inf", r"line 3, tokens_per_s: 'inf' is not allowed"),
        ("A100,1,2,9", r"line 3: 2 layers on 1 x A100 have two rows; keep one"),
        ("A100,1,2", r"line 3: 3 cells in a row \(allowed: gpu_type,tp,layers,tokens_per_s\)"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, tiny: Problem, row: str, message: str) -> None:
    path = write(tmp_path / "rates.csv", "A100,1,2,8", row)
    with pytest.raises(HarnessError, match=rf"rates\.csv, {message}") as raised:
        read_rates(path, tiny)
    assert raised.value.exit_code == EXIT_BAD_INPUT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the first line is not the header \(allowed: gpu_type,.*s or gpu_type,.*,prefill_s\)"),
        ("gpu_type,tp,layers\n", "the first line is not the header"),
        (f"{HEADER}\n", "no rate is given; add a row per measured stage"),
        (f"{HEADER},prefill_s\nA100,1,2,8,nan\n", r"line 2, prefill_s: 'nan' is not allowed"),
        (f"{HEADER},prefill_s\nA100,1,2,8,\n", r"line 2, prefill_s: '' is not allowed"),
    ],
)
def test_a_file_without_rates(tmp_path: Path, tiny: Problem, text: str, message: str) -> None:
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises(HarnessError, match=message):
        read_rates(tmp_path / "rates.csv", tiny)


def test_a_missing_file(tmp_path: Path, tiny: Problem) -> None:
    with pytest.raises(HarnessError, match=r"rates\.csv: no such file; a file of measured rates has"):
        read_rates(tmp_path / "rates.csv", tiny)


@given(data=st.data())
def test_any_table_comes_back(
    tmp_path_factory: pytest.TempPathFactory, medium: Problem, data: st.DataObject
) -> None:
    stages = [
        (index, tp, layers)
        for index, gpu in enumerate(medium.pool)
        for tp in tp_degrees(gpu, CORRECTED)
        for layers in range(1, medium.layers + 1)
    ]
    rows = data.draw(st.dictionaries(st.sampled_from(stages), st.floats(1e-3, 1e9), min_size=1, max_size=30))
    path = tmp_path_factory.mktemp("rates") / "rates.csv"
    write(path, *(f"{medium.pool[i].name},{tp},{layers},{rate}" for (i, tp, layers), rate in rows.items()))
    rates = read_rates(path, medium)
    found = {
        (index, tp, layers): rate
        for index, gpu in enumerate(medium.pool)
        for tp in TP_DEGREES
        for layers, rate in enumerate(rates.tokens_per_s(medium.config, gpu, tp).tolist())
        if rate
    }
    assert found == rows
