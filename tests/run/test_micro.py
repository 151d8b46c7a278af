"""Plain micro-benchmarks beside the pairs, and pytest-benchmark's own command reading our file."""

import json
import subprocess
import sys
from pathlib import Path


def test_they_land_in_both_reports_and_the_real_command_reads_them(make_project):
    project = make_project("micro", "loss")
    done = project.bench(budget=0.5)
    assert done.code == 0, done.out
    found = {entry["nodeid"]: entry for entry in done.document["micro"]}
    assert set(found) == {"benchmarks/test_micro.py::test_sum", "benchmarks/test_micro.py::test_coroutine"}
    sum_ = found["benchmarks/test_micro.py::test_sum"]
    assert (sum_["hardware"], sum_["provenance"]) == ("cpu", "measured")
    interchange = done.run_dir / "pytest-benchmark.json"
    median = {
        entry["fullname"]: entry["stats"]["median"]
        for entry in json.loads(interchange.read_text())["benchmarks"]
    }
    assert median["benchmarks/test_micro.py::test_sum"] == sum_["median_s"]
    command = str(Path(sys.executable).parent / "pytest-benchmark")
    read = subprocess.run([command, "compare", str(interchange)], capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert "test_sum" in read.stdout


def test_micro_benchmarks_alone_are_a_measurement(make_project):
    done = make_project("micro").bench()
    assert done.code == 0, done.out
    assert done.document["cells"] == []
    assert len(done.document["micro"]) == 2


def test_they_are_not_measured_for_another_row(make_project):
    project = make_project("micro", "loop")
    done = project.bench("-m", "l4")
    assert done.code == 0, done.out
    assert done.document["micro"] == []


def test_a_coroutine_function_is_refused_in_one_line(make_project):
    done = make_project("micro").bench(TOY_COROUTINE="1")
    assert done.code == 1, done.out
    assert "answer is a coroutine function: pytest-benchmark would time only its creation" in done.out
    assert "Traceback" not in done.out
    assert "1 failed, 1 passed" in done.out


def test_what_still_has_to_be_awaited_is_refused_and_not_reported(make_project):
    done = make_project("micro").bench(TOY_COROUTINE="hidden")
    assert done.code == 1, done.out
    assert "<lambda> returns an awaitable: pytest-benchmark would time only its creation" in done.out
    assert "Traceback" not in done.out
    assert [entry["nodeid"] for entry in done.document["micro"]] == ["benchmarks/test_micro.py::test_sum"]


def test_a_future_is_refused_too(make_project):
    done = make_project("micro").bench("--benchmark-disable", TOY_COROUTINE="future")
    assert done.code == 1, done.out
    assert "create_future returns an awaitable" in done.out
