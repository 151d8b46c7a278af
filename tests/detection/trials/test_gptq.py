"""GPTQ on a card: modelled figures, and the reason where its libraries are missing."""

import importlib.util
from pathlib import Path

import pytest

from harness.detection.costs.structures import equal_samples
from harness.detection.trials.gptq import NF4, load_gptq, on_card
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).parents[3] / "hardware_matrix.toml").rows
MEDIAN = equal_samples(867)


@pytest.mark.parametrize("row", ["t4", "l4", "a100_40gb"])
def test_fewer_bits_save_memory_and_hardly_any_time(row):
    before = on_card(ROWS[row], NF4, MEDIAN)
    found = {bits: on_card(ROWS[row], bits, MEDIAN) for bits in (8, 4, 3, 2)}
    bytes_of = [found[bits]["weight_memory"] for bits in (8, 4, 3, 2)]
    assert bytes_of == sorted(bytes_of, reverse=True)
    assert before["weight_memory"] == pytest.approx(4.17e9, rel=0.01)
    assert found[3]["weight_memory"] == pytest.approx(3.07e9, rel=0.01)
    assert all(0.9 < it["samples_per_min"] / before["samples_per_min"] < 1.01 for it in found.values())


def test_a_host_has_no_figures():
    with pytest.raises(HarnessError) as caught:
        on_card(ROWS["cpu"], 3, MEDIAN)
    assert caught.value.exit_code == EXIT_INFEASIBLE


def test_missing_libraries_are_named(tmp_path):
    if importlib.util.find_spec("gptqmodel") is not None:
        pytest.skip("the library is there")
    with pytest.raises(HarnessError, match="gptqmodel, which no extra of this project brings"):
        load_gptq(tmp_path, 3)
