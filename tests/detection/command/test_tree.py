"""`--tree`: the runs that are named become a page, a text and data; nothing is scored."""

import argparse
import json

import pytest

from harness.detection.command.detect import add_options
from harness.errors import HarnessError
from harness.measure.outcome import Cell, Effect, Finding
from harness.models.embedded import project_root

FASTER = Finding(
    "time", "s", "lower", "paired", "measured", "improved",
    baseline=2.0, optimized=1.0, effect=Effect(0.5, 0.48, 0.52, 0.99), floor=0.05,
)  # fmt: skip
CELL = Cell(
    "b/test_x.py::test_x[cpu-1024]", "fused_attention", "Fused", "candidate", "cpu", {"tokens": 1024},
    "measured", fidelity="held", findings=(FASTER,),
)  # fmt: skip


@pytest.fixture
def run(tmp_path, capsys):
    def runs_of(names):
        if names != ["latest"]:
            raise HarnessError(f"no run called {names[0]!r}")
        return [("run-1", [CELL])]

    def command(*words):
        parser = argparse.ArgumentParser()
        add_options(parser, runs_of, project_root() / "hardware_matrix.toml")
        asked = parser.parse_args(["--output", str(tmp_path / "out"), *words])
        return asked.run(asked), capsys.readouterr().out

    return command


def test_the_tree_of_a_run(run, tmp_path):
    code, out = run("--tree", "latest")
    assert code == 0
    assert "fused attention (3): time 0.500 [0.480, 0.520] helps, measured" in out
    assert 'guide: "Sequences < 2000: Enable batching"' in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tree.html", "tree.md", "tree.json"}
    found = json.loads((tmp_path / "out/tree.json").read_text())
    chosen = [each for each in found["leaves"] if each["options"]]
    assert [(each["problem"], each["options"][0]["state"]) for each in chosen] == [("too slow", "helps")]


def test_the_tree_as_json(run):
    _, out = run("--tree", "latest", "--json")
    assert json.loads(out)["runs"] == ["run-1"]


def test_a_run_that_is_none_is_the_readers_to_refuse(run):
    with pytest.raises(HarnessError, match="no run called 'yesterday'"):
        run("--tree", "yesterday")
