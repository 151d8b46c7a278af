from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import EXIT_BAD_INPUT, HarnessError
from harness.placement.inputs import writer
from harness.placement.inputs.generator import synthetic_pool
from harness.placement.inputs.reader import read_problem
from harness.placement.inputs.writer import write_problem
from harness.placement.problem import GpuSpec, GpuType, Problem


def same(one: Problem, other: Problem) -> bool:
    return (
        one.config == other.config
        and one.pool == other.pool
        and np.array_equal(one.bandwidth_gb_per_s, other.bandwidth_gb_per_s)
    )


@pytest.mark.parametrize("name", ["tiny", "small", "medium", "large"])
def test_a_problem_reads_back_equal(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    problem = request.getfixturevalue(name)
    write_problem(problem, tmp_path / "new" / "problem")
    assert same(read_problem(tmp_path / "new" / "problem"), problem)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["problem"]
    assert len(list((tmp_path / "new" / "problem").iterdir())) == 3


@given(seed=st.integers(0, 2**32), types=st.integers(1, 5))
def test_a_synthetic_pool_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, seed: int, types: int
) -> None:
    problem = synthetic_pool(seed, types, (1, 3))
    directory = tmp_path_factory.mktemp("problem")
    write_problem(problem, directory)
    assert same(read_problem(directory), problem)


def test_lists_odd_names_and_awkward_numbers(tiny: Problem, tmp_path: Path) -> None:
    pool = (
        GpuType('Card, "new"', 3, 1 / 3, 0.1 + 0.2, GpuSpec(1e-9, 1e14, 0.1)),
        GpuType("T4", 1, 16, 0),
    )
    config = replace(
        tiny.config,
        model_name="Größe, 7b",
        segment_sizes=(4, 1),
        budget_factors=(1 / 3, 2.0),
        enable_segment_quantization=False,
    )
    problem = Problem(config, pool, np.array([[1 / 3, 2.0], [1e-14, 4.0]]))
    write_problem(problem, tmp_path / "problem")
    assert same(read_problem(tmp_path / "problem"), problem)


@pytest.mark.parametrize("there", ["config.csv", "notes.txt"])
def test_nothing_is_overwritten(tiny: Problem, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(HarnessError, match="there is something here already; name a new dir") as raised:
        write_problem(tiny, tmp_path)
    assert raised.value.exit_code == EXIT_BAD_INPUT
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_file_in_the_way(tiny: Problem, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HarnessError, match="there is something here already"):
        write_problem(tiny, tmp_path / "file")
    with pytest.raises(HarnessError, match=r"file/problem: cannot be written \("):
        write_problem(tiny, tmp_path / "file" / "problem")


def test_a_name_that_no_directory_can_have(tiny: Problem, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"cannot be written \(File name too long\)"):
        write_problem(tiny, tmp_path / ("n" * 300))


def test_a_full_disk_leaves_nothing_behind(
    tiny: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Problem) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "_bandwidth_rows", full)
    with pytest.raises(HarnessError, match="cannot be written \\(No space left on device\\)"):
        write_problem(tiny, tmp_path / "problem")
    assert list(tmp_path.iterdir()) == []
