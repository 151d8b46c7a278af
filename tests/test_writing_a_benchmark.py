"""The example of docs/writing-a-benchmark.md is a whole benchmark: short, and it runs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 40


@pytest.fixture(scope="module")
def example():
    page = (ROOT / "docs" / "writing-a-benchmark.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_it_takes_one_short_file(example):
    assert len(example.splitlines()) <= LONGEST


def test_it_runs_as_it_stands(example, tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "test_set_membership.py").write_text(example, encoding="utf-8")
    shutil.copy(ROOT / "hardware_matrix.toml", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "benchmarks", "-m", "cpu", "--budget", "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = (tmp_path / "reports").glob("run-*/results.json")
    cells = json.loads(results.read_text(encoding="utf-8"))["cells"]
    assert [cell["params"] for cell in cells] == [{"names": 200}, {"names": 400}]
    for cell in cells:
        found = {finding["metric"]: finding for finding in cell["findings"]}
        assert found["hits"]["optimized"] == cell["params"]["names"] / 2
        assert cell["fidelity"] == "held"
        assert found["setup_time"]["optimized"] > 0
        assert found["lookup_time"]["effect"]["ratio"] < 1
