"""A user's project in a temporary folder, and the real commands run in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOYS = Path(__file__).parent / "toys"
# of the surroundings nothing may decide what a run prints or where it writes
_OURS = ("GITHUB_", "PYTEST_", "TOY_", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CI", "BUILD_NUMBER")


@dataclass(frozen=True)
class Outcome:
    """What one command left behind."""

    code: int
    out: str
    err: str
    run_dir: Path | None

    @property
    def document(self) -> dict[str, Any]:
        assert self.run_dir is not None, self.out
        return json.loads((self.run_dir / "results.json").read_text())

    def cell(self, nodeid: str) -> dict[str, Any]:
        return next(cell for cell in self.document["cells"] if nodeid in cell["nodeid"])

    def gate(self, nodeid: str, metric: str) -> dict[str, str]:
        found = self.cell(nodeid)["findings"]
        return next(finding["gate_result"] for finding in found if finding["metric"] == metric)


@dataclass(frozen=True)
class Project:
    """A folder with a matrix of two rows and some of the toys as its benchmarks."""

    root: Path

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**kept, "COLUMNS": "120", **changes}

    def command(self, *arguments: str, budget: float = 0.5) -> list[str]:
        return [sys.executable, "-m", "pytest", "benchmarks", "--budget", str(budget), *arguments]

    def bench(self, *arguments: str, budget: float = 0.5, **environment: str) -> Outcome:
        """Run `pytest benchmarks`; the row `cpu` unless an argument selects otherwise."""
        if not {"-m", "--hardware"} & set(arguments):
            arguments = ("-m", "cpu", *arguments)
        return self.run(self.command(*arguments, budget=budget), **environment)

    def harness(self, *arguments: str) -> Outcome:
        return self.run([str(Path(sys.executable).parent / "harness"), *arguments])

    def run(self, command: list[str], **environment: str) -> Outcome:
        before = self.runs()
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
        )
        new = sorted(self.runs() - before)
        assert len(new) <= 1
        return Outcome(done.returncode, done.stdout, done.stderr, new[0] if new else None)

    def runs(self) -> set[Path]:
        return set(self.root.glob("reports/run-*"))

    def baseline(self, name: str = "cpu") -> Path:
        return self.root / "reports" / "baselines" / f"{name}.json"


def _two_rows() -> str:
    """The repository's matrix cut down to rows cpu and l4 and to the checkpoints of cpu."""
    text = (ROOT / "hardware_matrix.toml").read_text()
    tables = re.split(r"(?m)^(?=\[)", text)
    rows = [table for table in tables if re.match(r"\[+(cpu|l4)[\].]", table)]
    models = [t for t in tables if t.startswith("[[models.") and '\nrows = ["cpu"]\n' in t]
    return "".join(rows + models)


Make = Callable[..., Project]


def _make(root: Path, *toys: str) -> Project:
    (root / "benchmarks").mkdir(parents=True)
    (root / "inputs").mkdir()
    (root / "inputs" / "turns.txt").write_text("30000")
    (root / "hardware_matrix.toml").write_text(_two_rows())
    # hypothesis would take a second of every run to say that it was not used
    options = "--strict-markers -p no:cacheprovider -p no:hypothesispytest"
    (root / "pytest.ini").write_text(f"[pytest]\naddopts = {options}\n")
    for toy in toys:
        shutil.copy(TOYS / f"{toy}.py", root / "benchmarks" / f"test_{toy}.py")
    return Project(root)


@pytest.fixture
def make_project(tmp_path: Path) -> Make:
    """`make_project("loop", ...)`: a new project with these toys."""
    return lambda *toys: _make(tmp_path / "project", *toys)


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """A project with a pinned baseline, and the run that recorded it. Only to look at, or to copy."""
    project = _make(tmp_path_factory.mktemp("recorded") / "project", "loop", "loss")
    first = project.bench("--pin-baseline", budget=3.0)
    assert first.code == 0, first.out + first.err
    return project, first


@pytest.fixture
def recorded(recorded_once: tuple[Project, Outcome], tmp_path: Path) -> Project:
    """A project of one's own whose benchmarks `loop` and `loss` have a pinned baseline."""
    shutil.copytree(recorded_once[0].root, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def make_long_lived(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """As `make_project`, for a fixture that outlives one test."""
    return lambda *toys: _make(tmp_path_factory.mktemp("long") / "project", *toys)
