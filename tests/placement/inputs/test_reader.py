from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import EXIT_BAD_INPUT, HarnessError
from harness.placement.inputs.reader import read_problem
from harness.placement.problem import GpuSpec, GpuType, Problem

TINY = Path(__file__).parents[3] / "fixtures" / "placement" / "tiny"


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


@pytest.mark.parametrize("file", ["config.csv", "gpu_pool.csv", "network_bandwidth.csv"])
def test_files_as_a_spreadsheet_writes_them(directory: Path, file: str) -> None:
    path = directory / file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    read, plain = read_problem(directory), read_problem(TINY)
    assert (read.config, read.pool) == (plain.config, plain.pool)
    assert np.array_equal(read.bandwidth_gb_per_s, plain.bandwidth_gb_per_s)


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
        (
            "config.csv",
            "d_model,2048",
            "d_model,20.5",
            r"\(allowed: a whole number from 1 to 1,000,000,000\)",
        ),
        ("config.csv", "d_model,2048", "d_model,2048,7", r"line 6: 3 cells in a row"),
        ("config.csv", "batch_size,4", "batch_size,0", r"line 3, batch_size: '0' is not allowed"),
        ("config.csv", "gap,0.05", "gap,1.5", r"\(allowed: a number from 0 to 1\)"),
        (
            "config.csv",
            "weight_memory_gb,4.0",
            "weight_memory_gb,0",
            r"\(allowed: a number from 1e-15 to 1e\+15\)",
        ),
        (
            "config.csv",
            "quantization,true",
            "quantization,yes",
            r"'yes' is not allowed \(allowed: true, false\)",
        ),
        ("config.csv", "per_stage,1", "per_stage,5", r"min_layers_per_stage is 5 \(allowed: 1 to .* = 4\)"),
        ("config.csv", "min_layers_per_stage,1\n", "", r"min_layers_per_stage is 5 .*; that is the default"),
        ("config.csv", "parameter,value", "key,value", r"config\.csv: the first line is not the header"),
        (
            "gpu_pool.csv",
            "T4,",
            "A1000,",
            r"line 3: unknown gpu_type 'A1000' \(allowed: H100, A100, .*\); did you",
        ),
        (
            "config.csv",
            "gap,0.05",
            "gap,0.05\nsegment_sizes,1;5;7",
            r"segment_sizes has 5 \(allowed: 1 to .* = 4\)",
        ),
        (
            "config.csv",
            "gap,0.05",
            "gap,0.05\nsegment_sizes,1;0",
            r"line 13, segment_sizes: '0' is not allowed",
        ),
        ("config.csv", "gap,0.05", "gap,0.05\nsegment_sizes,1,2", r"line 13: 3 cells in a row"),
        (
            "config.csv",
            "gap,0.05",
            "gap,0.05\nsegment_sizes,2;4;2",
            r"line 13, segment_sizes: 2 is given twice",
        ),
        (
            "config.csv",
            "gap,0.05",
            "gap,0.05\nbudget_factors,1;-1",
            r"'-1' is not allowed \(allowed: a number from",
        ),
        ("config.csv", "gap,0.05", "gap,0.05\nbudget_factors,1;nan", r"budget_factors: 'nan' is not allowed"),
        ("config.csv", "gap,0.05", "gap,0.05\noutput_length,-1", r"output_length: '-1' is not allowed"),
        ("config.csv", "gap,0.05", "gap,0.05\nnum_key_value_heads,x", r"line 13, num_key_value_heads: 'x'"),
        (
            "config.csv",
            "layers,4",
            "layers,1e12",
            r"'1e12' is not allowed \(allowed: a whole number from 1 to",
        ),
        (
            "config.csv",
            "_gb,4.0",
            "_gb,97",
            r"layer of 97 GB fits on no group.*A100, has 24 GB \(allowed: 97 GB or",
        ),
        ("gpu_pool.csv", "T4,", ",", r"line 3: unknown gpu_type ''"),
        ("gpu_pool.csv", "2,12,1.0", "2,12,inf", r"line 2, dollar_per_hour: 'inf' is not allowed"),
        ("gpu_pool.csv", "2,12,1.0", "2,nan,1.0", r"line 2, memory_gb: 'nan' is not allowed"),
        ("gpu_pool.csv", "2,12,1.0", "1e6,12,1.0", r"the matrix is 4 x 4 \(allowed: 1000002 x"),
        (
            "gpu_pool.csv",
            "2,12,1.0",
            "1e9,12,1.0",
            r"line 2, count: '1e9' is not allowed \(allowed: .* to 1,000,000",
        ),
        ("gpu_pool.csv", "T4,", "A100,", r"line 3: gpu_type 'A100' has two rows"),
        ("gpu_pool.csv", "2,8,0.2", "2,8,-0.2", r"line 3, dollar_per_hour: '-0\.2' is not allowed"),
        ("gpu_pool.csv", "2,8,0.2", "two,8,0.2", r"line 3, count: 'two' is not allowed"),
        ("config.csv", "d_model,2048", "d_model,1e300", r"line 6, d_model: '1e300' is not allowed"),
        ("gpu_pool.csv", "2,8,0.2", "2,8,1e300", r"line 3, dollar_per_hour: '1e300' is not allowed"),
        ("network_bandwidth.csv", "gpu_1,600", "gpu_1,1e-300", r"'1e-300' is not allowed"),
        ("gpu_pool.csv", "A100,", "a100,", r"line 2: unknown gpu_type 'a100' .*; did you mean 'A100'\?"),
        ("gpu_pool.csv", "A100,", '"A100,', r"line 3: a cell has a line break .*; close its quote"),
        ("gpu_pool.csv", "A100,", "A1\x1b[31m00,", r"line 2: a cell has .* a control character in it"),
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
            r"'-1' is not allowed \(allowed: a number from 1e-15 to 1e\+15\)",
        ),
        ("network_bandwidth.csv", "gpu_1,600", "gpu_1", r"line 3: 3 values in row 'gpu_1'"),
        ("network_bandwidth.csv", "\ngpu_1,", "\ngpu_7,", r"line 3: 'gpu_7' where 'gpu_1' belongs"),
        ("network_bandwidth.csv", "\ngpu_3,600,600,550,550", "", r"the matrix is 3 x 4 \(allowed: 4 x 4"),
        (
            "network_bandwidth.csv",
            "\ngpu_3",
            "\ngpu_3,1,1,1,1\ngpu_4",
            r"the matrix is 5 x 4 \(allowed: 4 x 4",
        ),
        (
            "network_bandwidth.csv",
            ",gpu_0,",
            ",A100,",
            r"the matrix is 4 x 4 \(allowed: .* or 2 x 2, one per type",
        ),
        ("network_bandwidth.csv", ",gpu_2", ",gpu_9", r"line 4: 'gpu_9' where 'gpu_2' belongs"),
        ("network_bandwidth.csv", ",gpu_3", "", r"the matrix is 4 x 3 \(allowed: 4 x 4"),
    ],
)
def test_a_mistake_is_named(directory: Path, file: str, old: str, new: str, message: str) -> None:
    edit(directory / file, old, new)
    with pytest.raises(HarnessError, match=message) as raised:
        read_problem(directory)
    assert raised.value.exit_code == EXIT_BAD_INPUT
    assert file in raised.value.where or "gpu_pool" in file + raised.value.where


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


def test_a_file_instead_of_a_directory(directory: Path) -> None:
    with pytest.raises(HarnessError, match="no such file; a problem directory holds"):
        read_problem(directory / "config.csv")


def test_a_directory_instead_of_a_file(directory: Path) -> None:
    (directory / "config.csv").unlink()
    (directory / "config.csv").mkdir()
    with pytest.raises(HarnessError, match=r"config\.csv: cannot be read \(Is a directory\); a problem"):
        read_problem(directory)


def test_a_pool_without_gpus(directory: Path) -> None:
    (directory / "gpu_pool.csv").write_text("gpu_type,count,memory_gb,dollar_per_hour\nT4,0,16,0.2\n")
    with pytest.raises(HarnessError, match="the pool holds no GPU"):
        read_problem(directory)


def test_lists_in_the_config(directory: Path) -> None:
    edit(
        directory / "config.csv",
        "gap,0.05",
        "gap,0.05\nsegment_sizes,4;1 2\nbudget_factors,1.5; 0.5\nnum_key_value_heads,8\noutput_length,0",
    )
    config = read_problem(directory).config
    assert (config.segment_sizes, config.budget_factors) == ((4, 1, 2), (1.5, 0.5))
    assert (config.num_key_value_heads, config.output_length) == (8, 0)
    edit(directory / "config.csv", "4;1 2", "")
    assert read_problem(directory).config.segment_sizes == ()


POOL = "gpu_type,count,memory_gb,dollar_per_hour,tflops,memory_gb_per_s,efficiency\n"


def test_a_type_with_figures_of_its_own(directory: Path) -> None:
    (directory / "gpu_pool.csv").write_text(
        POOL + "A100,1,12,1.0,,,\nT4,2,8,0.2,60,300,0.5\nMine,1,8,0,100,1000,1\n"
    )
    known, overridden, own = read_problem(directory).pool
    assert known == GpuType("A100", 1, 12, 1.0)
    assert overridden.spec == GpuSpec(60, 300, 0.5)
    assert own == GpuType("Mine", 1, 8, 0.0, GpuSpec(100, 1000, 1))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "Mine,2,8,0.2,,,",
            r"unknown gpu_type 'Mine' \(.*\); a type of your own needs tflops, memory_gb_per_s",
        ),
        ("Mine,2,8,0.2,10,,1", r"line 3, memory_gb_per_s: '' is not allowed"),
        ("Mine,2,8,0.2,10,10,1.1", r"line 3, efficiency: .* \(allowed: a number from 1e-15 to 1\)"),
        ("Mine,2,8,0.2,-1,10,1", r"line 3, tflops: '-1' is not allowed"),
        (",2,8,0.2,1,10,1", r"line 3, gpu_type: a type without a name"),
        ("Mine,2,8,0.2", r"line 3: 4 cells in a row \(allowed: .*efficiency\)"),
    ],
)
def test_a_mistake_in_a_type_of_your_own(directory: Path, row: str, message: str) -> None:
    (directory / "gpu_pool.csv").write_text(f"{POOL}A100,2,12,1.0,,,\n{row}\n")
    with pytest.raises(HarnessError, match=message) as raised:
        read_problem(directory)
    assert raised.value.exit_code == EXIT_BAD_INPUT


def test_links_per_type(directory: Path) -> None:
    (directory / "network_bandwidth.csv").write_text(",A100,T4\nA100,600,25\nT4,20,64\n")
    problem = read_problem(directory)
    assert problem.bandwidth_gb_per_s.tolist() == [[600, 25], [20, 64]]
    assert problem.gpu_bandwidth()[:, 3].tolist() == [25, 25, 64, 64]
    assert not problem.bandwidth_gb_per_s.flags.writeable
    slowest, fastest = problem.type_bandwidth()
    assert slowest.tolist() == fastest.tolist() == [[600, 25], [20, 64]]


def test_links_per_type_in_another_order(directory: Path) -> None:
    (directory / "network_bandwidth.csv").write_text(",T4,A100\nT4,600,25\nA100,20,64\n")
    with pytest.raises(HarnessError, match="line 2: 'T4' where 'A100' belongs"):
        read_problem(directory)


def test_links_per_type_where_there_are_as_many_gpus(directory: Path) -> None:
    pool, links = directory / "gpu_pool.csv", directory / "network_bandwidth.csv"
    pool.write_text("gpu_type,count,memory_gb,dollar_per_hour\nA100,0,12,1\nT4,2,8,0.2\n")
    links.write_text(",A100,T4\nA100,600,25\nT4,20,64\n")
    assert read_problem(directory).gpu_bandwidth().tolist() == [[64, 64], [64, 64]]


def test_types_named_like_gpus(directory: Path) -> None:
    (directory / "gpu_pool.csv").write_text(POOL + "gpu_0,3,8,1,1,1,1\ngpu_1,1,8,1,1,1,1\n")
    assert read_problem(directory).bandwidth_gb_per_s.shape == (4, 4)
    (directory / "network_bandwidth.csv").write_text(",gpu_0,gpu_1\ngpu_0,600,25\ngpu_1,20,64\n")
    assert read_problem(directory).bandwidth_gb_per_s.shape == (2, 2)


def test_no_link_leads_to_a_type_without_gpus_or_inside_one_with_a_single_gpu(tiny: Problem) -> None:
    pool = tuple(GpuType(f"T{count}", count, 16, 1.0) for count in (3, 1, 0))
    per_type = replace(tiny, pool=pool, bandwidth_gb_per_s=np.full((3, 3), 5.0))
    per_gpu = replace(tiny, pool=pool, bandwidth_gb_per_s=np.full((4, 4), 5.0))
    inf = np.inf
    expected = [[5, 5, inf], [5, inf, inf], [inf, inf, inf]]
    assert [matrix.tolist() for matrix in per_type.type_bandwidth()] == [expected, expected]
    assert [matrix.tolist() for matrix in per_gpu.type_bandwidth()] == [expected, expected]


@given(matrix=arrays(np.float64, (4, 4), elements=st.floats(1e-15, 1e15)), form=st.sampled_from("gr"))
def test_any_number_is_read_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, matrix: np.ndarray, form: str
) -> None:
    directory = Path(shutil.copytree(TINY, tmp_path_factory.mktemp("problem") / "p"))
    lines = [",gpu_0,gpu_1,gpu_2,gpu_3"]
    lines += [
        f"gpu_{i}," + ",".join(format(value, ".17g") if form == "g" else repr(value) for value in row)
        for i, row in enumerate(matrix.tolist())
    ]
    (directory / "network_bandwidth.csv").write_text("\n".join(lines))
    assert np.array_equal(read_problem(directory).bandwidth_gb_per_s, matrix)


@pytest.mark.parametrize("own", ["0", "", "-", "nan"])
def test_a_gpu_needs_no_link_to_itself(directory: Path, own: str) -> None:
    names = [f"gpu_{i}" for i in range(4)]
    lines = [",".join([name, *("600" if name != other else own for other in names)]) for name in names]
    (directory / "network_bandwidth.csv").write_text("\n".join([",".join(["", *names]), *lines]))
    assert (read_problem(directory).bandwidth_gb_per_s == 600).all()
    elsewhere = [line.replace("600", own, 1) for line in lines]
    (directory / "network_bandwidth.csv").write_text("\n".join([",".join(["", *names]), *elsewhere]))
    with pytest.raises(HarnessError, match="is not allowed"):
        read_problem(directory)
