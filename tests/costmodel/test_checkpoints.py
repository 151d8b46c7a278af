"""Modelled engines for the checkpoints that the serving benchmarks run."""

from functools import partial
from pathlib import Path

import pytest

from harness.costmodel import checkpoints
from harness.engines.workloads import answered, token_requests
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "fixtures/models/entities"
ROWS = load_matrix(ROOT / "hardware_matrix.toml").rows
ASKED = token_requests(range(300, 600), [32] * 8, [16])


def seconds(start, row="l4"):
    engine = start(MODEL, ROWS[row])
    answered(engine, ASKED)
    return engine.elapsed_s


def test_sharing_the_hardware_saves_time_and_so_does_launching_less():
    alone = seconds(checkpoints.one_by_one)
    assert seconds(partial(checkpoints.padded, parallel=8)) < alone / 4
    assert seconds(partial(checkpoints.shared, parallel=8)) < alone / 4
    assert seconds(checkpoints.compiled) < alone
    assert seconds(checkpoints.vllm) < seconds(partial(checkpoints.shared, parallel=8))


def test_one_sequence_at_a_time_is_one_by_one():
    assert seconds(partial(checkpoints.shared, parallel=1)) == pytest.approx(seconds(checkpoints.one_by_one))


def test_a_cpu_has_no_constants():
    with pytest.raises(HarnessError, match="harness predict calibrate") as refused:
        checkpoints.vllm(MODEL, ROWS["cpu"])
    assert refused.value.exit_code == EXIT_INFEASIBLE
