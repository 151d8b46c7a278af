from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import EXIT_BAD_INPUT, HarnessError
from harness.placement.problem import GpuType, Problem
from harness.placement.reader import read_problem

TINY = Path(__file__).parents[2] / "fixtures" / "placement" / "tiny"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "problem"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_medium_problem(medium: Problem) -> None:
    assert medium.pool == (
        GpuType("A100", 8, 48, 1.0),
        GpuType("L20", 12, 48, 0.7),
        GpuType("A10", 12, 48, 0.5),
        GpuType("V100", 12, 24, 0.3),
        GpuType("T4", 20, 16, 0.2),
    )
    assert medium.first_gpus == (0, 8, 20, 32, 44)
    assert (medium.layers, medium.config.max_pipeline_stages) == (40, 8)
    assert medium.config.budget_usd_per_hour == float("inf")
    links = medium.bandwidth_gb_per_s
    assert links.shape == (64, 64)
    assert np.all(links[25:35, 25:35] == 550)
    assert np.sum(links == 600) == 64 * 64 - 100
    assert not links.flags.writeable


def test_a_budget_below_999_counts(medium: Problem) -> None:
    assert replace(medium.config, max_hourly_cost=12.0).budget_usd_per_hour == 12.0


def test_comments_blank_lines_and_a_byte_order_mark(directory: Path) -> None:
    path = directory / "config.csv"
    text = path.read_text().replace("parameter,value\n", "parameter,value\n\n# our target\n")
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert read_problem(directory).config == read_problem(TINY).config


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "config.csv",
            "d_model,",
            "d_modle,",
            r"line 6: unknown parameter 'd_modle'.*did you mean 'd_model'",
        ),
        ("config.csv", "d_model,2048\n", "", r"config\.csv: parameter 'd_model' is missing"),
        (
            "config.csv",
            "d_model,2048",
            "d_model,2048\nd_model,1",
            r"line 7: parameter 'd_model' is given twice",
        ),
        ("config.csv", "d_model,2048", "d_model,2e400", r"line 6, d_model: '2e400' is not allowed"),
        ("config.csv", "d_model,2048", "d_model,nan", r"line 6, d_model: 'nan' is not allowed"),
        ("config.csv", "d_model,2048", "d_model,20.5", r"\(allowed: a whole number, at least 1\)"),
        ("config.csv", "d_model,2048", "d_model,2048,7", r"line 6: 3 cells in a row"),
        ("config.csv", "batch_size,4", "batch_size,0", r"line 3, batch_size: '0' is not allowed"),
        ("config.csv", "gap,0.05", "gap,1.5", r"\(allowed: a number from 0 to 1\)"),
        ("config.csv", "weight_memory_gb,4.0", "weight_memory_gb,0", r"\(allowed: a number above 0\)"),
        (
            "config.csv",
            "quantization,true",
            "quantization,yes",
            r"'yes' is not allowed \(allowed: true, false\)",
        ),
        ("config.csv", "per_stage,1", "per_stage,5", r"min_layers_per_stage is 5 \(allowed: 1 to .* = 4\)"),
        ("config.csv", "parameter,value", "key,value", r"config\.csv: the first line is not the header"),
        (
            "gpu_pool.csv",
            "T4,",
            "A1000,",
            r"line 3: unknown gpu_type 'A1000' \(allowed: H100, A100, .*\); did you",
        ),
        ("gpu_pool.csv", "T4,", "A100,", r"line 3: gpu_type 'A100' has two rows"),
        ("gpu_pool.csv", "2,8,0.2", "2,8,-0.2", r"line 3, dollar_per_hour: '-0\.2' is not allowed"),
        ("gpu_pool.csv", "2,8,0.2", "two,8,0.2", r"line 3, count: 'two' is not allowed"),
        ("gpu_pool.csv", "2,8,0.2", "2,0,0.2", r"line 3, memory_gb: '0' is not allowed"),
        ("gpu_pool.csv", "2,8,0.2", "2,8", r"line 3: 3 cells in a row"),
        ("gpu_pool.csv", "T4,2,", "T4,3,", r"the matrix is 4 x 4 \(allowed: 5 x 5"),
        ("gpu_pool.csv", "gpu_type,", "type,", r"gpu_pool\.csv: the first line is not the header"),
        ("network_bandwidth.csv", "gpu_1,600", "gpu_1,fast", r"line 3, row gpu_1, column gpu_0: 'fast'"),
        ("network_bandwidth.csv", "gpu_1,600", "gpu_1,nan", r"line 3, row gpu_1, column gpu_0: 'nan'"),
        (
            "network_bandwidth.csv",
            "gpu_1,600",
            "gpu_1,-1",
            r"'-1' is not allowed \(allowed: a number above 0\)",
        ),
        ("network_bandwidth.csv", "gpu_1,600", "gpu_1", r"line 3: 3 values in row 'gpu_1'"),
        ("network_bandwidth.csv", "\ngpu_1,", "\ngpu_7,", r"line 3: 'gpu_7' where 'gpu_1' belongs"),
        ("network_bandwidth.csv", ",gpu_3", "", r"the matrix is 4 x 3 \(allowed: 4 x 4"),
    ],
)
def test_a_mistake_is_named(directory: Path, file: str, old: str, new: str, message: str) -> None:
    edit(directory / file, old, new)
    with pytest.raises(HarnessError, match=message) as raised:
        read_problem(directory)
    assert raised.value.exit_code == EXIT_BAD_INPUT
    assert file in raised.value.where or "gpu_pool" in file


@pytest.mark.parametrize("file", ["config.csv", "gpu_pool.csv", "network_bandwidth.csv"])
def test_a_missing_empty_or_binary_file(directory: Path, file: str) -> None:
    (directory / file).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match=rf"{file}: cannot be read as UTF-8"):
        read_problem(directory)
    (directory / file).write_text("")
    with pytest.raises(HarnessError, match=file):
        read_problem(directory)
    (directory / file).unlink()
    with pytest.raises(HarnessError, match=rf"{file}: no such file; a problem directory holds"):
        read_problem(directory)


def test_a_pool_without_gpus(directory: Path) -> None:
    (directory / "gpu_pool.csv").write_text("gpu_type,count,memory_gb,dollar_per_hour\nT4,0,16,0.2\n")
    with pytest.raises(HarnessError, match="the pool holds no GPU"):
        read_problem(directory)
