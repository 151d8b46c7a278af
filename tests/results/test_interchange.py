import csv
import json
import statistics
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_builders import bounded, cell, counted, document, timed, with_samples

from harness.measure.outcome import Sample
from harness.results.interchange import pytest_benchmark_document, timing_stats

durations = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


@given(durations)
def test_the_statistics_agree_with_their_definitions(data):
    found = timing_stats(data, 3)
    assert found["data"] == data
    assert (found["min"], found["max"]) == (min(data), max(data))
    assert (found["rounds"], found["iterations"]) == (len(data), 3)
    assert found["mean"] == pytest.approx(statistics.fmean(data))
    assert found["median"] == pytest.approx(statistics.median(data))
    assert found["total"] == pytest.approx(sum(data))
    assert found["ops"] == pytest.approx(len(data) / sum(data))
    assert found["stddev"] == pytest.approx(
        statistics.stdev(data) if len(data) > 1 else 0.0, rel=1e-6, abs=1e-9
    )
    if len(data) > 1:
        q1, _, q3 = statistics.quantiles(data, n=4, method="inclusive")
        assert (found["q1"], found["q3"]) == (pytest.approx(q1), pytest.approx(q3))
        assert found["iqr"] == pytest.approx(found["q3"] - found["q1"])


@given(durations)
def test_the_fences_separate_outliers(data):
    found = timing_stats(data, 1)
    low, high = found["q1"] - 1.5 * found["iqr"], found["q3"] + 1.5 * found["iqr"]
    outside = [value for value in data if not low <= value <= high]
    assert found["iqr_outliers"] == len(outside)
    assert found["min"] <= found["ld15iqr"] <= found["hd15iqr"] <= found["max"]
    assert found["outliers"] == f"{found['stddev_outliers']};{found['iqr_outliers']}"


def test_a_lone_outlier_is_counted():
    found = timing_stats([1.0, 1.1, 1.2, 1.3, 9.0], 1)
    assert (found["iqr_outliers"], found["stddev_outliers"]) == (1, 1)
    assert found["hd15iqr"] == 1.3


def test_no_durations_is_an_error():
    with pytest.raises(ValueError, match="no durations"):
        timing_stats([], 1)


def test_every_measured_arm_in_seconds_is_an_entry():
    one = with_samples(cell(timed(iterations=7), counted(), bounded()))
    found = pytest_benchmark_document(document(one), [one])["benchmarks"]
    assert [entry["name"] for entry in found] == ["test_toy[cpu-4] baseline", "test_toy[cpu-4] optimized"]
    first = found[0]
    assert first["fullname"] == "benchmarks/toy/test_toy.py::test_toy[cpu-4] baseline"
    assert (first["group"], first["param"]) == ("toy", "cpu-4")
    assert first["params"] == {"hardware": "cpu", "size": 4}
    assert first["stats"]["iterations"] == 7
    assert {"ratio": 0.5, "verdict": "improved", "provenance": "measured"}.items() <= first[
        "extra_info"
    ].items()
    expected = [sample.value for sample in one.samples if sample.arm == "baseline"]
    assert first["stats"]["data"] == expected


def test_two_timed_metrics_are_told_apart():
    one = with_samples(cell(timed(), timed(metric="setup")))
    names = [entry["name"] for entry in pytest_benchmark_document(document(one), [one])["benchmarks"]]
    assert len(set(names)) == 4
    assert "test_toy[cpu-4] baseline setup" in names


def test_rounds_come_in_order_of_execution():
    samples = tuple(Sample("latency", "baseline", index, 0, 1.0 + index) for index in (2, 0, 1))
    one = cell(timed(), samples=samples)
    (entry,) = pytest_benchmark_document(document(one), [one])["benchmarks"]
    assert entry["stats"]["data"] == [1.0, 2.0, 3.0]


def test_modelled_figures_are_no_measurements():
    one = with_samples(cell(timed(provenance="modelled"), state="modelled"))
    assert pytest_benchmark_document(document(one), [one])["benchmarks"] == []


def test_its_own_entries_are_taken_over():
    native = [{"name": "test_micro", "stats": {}}]
    assert pytest_benchmark_document(document(), [], native)["benchmarks"] == native


def test_the_real_command_reads_the_file(tmp_path):
    many = [
        with_samples(cell(timed(), nodeid=f"b/test_toy.py::test_toy[cpu-{size}]"), rounds=9)
        for size in (4, 8)
    ]
    path = tmp_path / "pytest-benchmark.json"
    path.write_text(json.dumps(pytest_benchmark_document(document(*many), many)))
    table = tmp_path / "table.csv"
    program = "from pytest_benchmark.cli import main; main()"
    command = [sys.executable, "-c", program, "compare", str(path), f"--csv={table}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stdout + done.stderr
    rows = {row["name"]: row for row in csv.DictReader(table.read_text().splitlines())}
    assert len(rows) == 4
    (name,) = (name for name in rows if "cpu-8" in name and "optimized" in name)
    expected = [sample.value for sample in many[1].samples if sample.arm == "optimized"]
    assert float(rows[name]["median"]) == pytest.approx(statistics.median(expected))
    assert float(rows[name]["min"]) == pytest.approx(min(expected))
    assert int(rows[name]["rounds"]) == 9


def test_a_cell_with_broken_nodeid_brackets_has_no_parameter():
    one = with_samples(replace(cell(timed()), nodeid="b/test_toy.py::test_toy"))
    assert pytest_benchmark_document(document(one), [one])["benchmarks"][0]["param"] is None
