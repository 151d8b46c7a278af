"""`--against`: this tree beside a revision, in alternating workers; and beside a stored run."""

import math
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import Metric, Optimization
from harness.against import _counted_finding, _Served, _timed_finding, gated, side_by_side
from harness.measure.family import settle
from harness.measure.outcome import Cell
from harness.pair import Identity
from harness.worker import timed_metric


def git(project, *arguments: str) -> str:
    who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=project.root, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def committed(make_project):
    """A project in a folder of its repository, whose benchmark imports a library from `src`."""
    project = make_project("loop")
    library = project.root / "src" / "toy_library.py"
    library.parent.mkdir()
    library.write_text("FACTOR = 1\n")
    file = project.root / "benchmarks" / "test_loop.py"
    source = file.read_text().replace("range(turns)", "range(FACTOR * turns)")
    file.write_text(source.replace("import os\n", "import os\nfrom toy_library import FACTOR\n", 1))
    (project.root.parent / "other").touch()
    git(project, "init", "--quiet", "..")
    git(project, "add", "../other")
    git(project, "commit", "--quiet", "-m", "before the project")
    git(project, "add", "hardware_matrix.toml", "pytest.ini", "benchmarks", "inputs", "src")
    git(project, "commit", "--quiet", "-m", "base")
    return project


def against(project, revision: str, *options: str):
    # as an editable installation would, this serves the head's library to everyone who does not mind
    return project.bench("--against", revision, *options, budget=1.0, PYTHONPATH=str(project.root / "src"))


def test_a_slower_head_is_10_and_the_checkout_is_gone(committed):
    (committed.root / "src" / "toy_library.py").write_text("FACTOR = 2\n")
    done = against(committed, "HEAD")
    assert done.code == 10, done.out
    timed, counted = done.cell("loop")["findings"]
    assert timed["effect"]["ratio"] == pytest.approx(2.0, rel=0.25)
    assert timed["gate_result"]["state"] == "regressed"
    assert timed["effect"]["q"] < 0.01
    assert (counted["metric"], counted["gate_result"]["state"]) == ("steps", "pass")
    assert len(git(committed, "worktree", "list").splitlines()) == 1


def test_the_gate_can_be_off(committed):
    (committed.root / "src" / "toy_library.py").write_text("FACTOR = 2\n")
    done = against(committed, "HEAD", "--gate=off")
    assert done.code == 0, done.out
    assert done.gate("loop", "duration") == {"state": "not gated", "detail": "gate off"}


def test_the_same_code_is_green(committed):
    done = against(committed, "HEAD")
    assert done.code == 0, done.out
    assert done.gate("loop", "duration")["state"] in ("pass", "inconclusive")
    assert done.gate("loop", "steps")["state"] == "pass"


def test_counts_alone_are_compared_and_a_difference_is_10(committed):
    file = committed.root / "benchmarks" / "test_loop.py"
    file.write_text(file.read_text().replace('gate="paired"', 'gate="report"'))
    git(committed, "commit", "--quiet", "-am", "nothing timed")
    file.write_text(file.read_text().replace('"50"', '"60"'))
    done = against(committed, "HEAD")
    assert done.code == 10, done.out
    (finding,) = done.cell("loop")["findings"]
    assert finding["gate_result"] == {"state": "left ratchet", "detail": "head against base: 50 -> 60 steps"}


def test_a_base_without_the_benchmark_says_so(committed):
    (committed.root / "benchmarks" / "test_loop.py").rename(committed.root / "benchmarks" / "test_new.py")
    done = against(committed, "HEAD")
    assert done.cell("test_new")["state"] == "not run"
    assert done.code == 12, done.out


def test_a_base_without_the_project_is_4(committed):
    done = against(committed, "HEAD~1")
    assert done.code == 4
    assert "HEAD~1 has no folder project/" in done.err
    assert done.run_dir is None
    assert len(git(committed, "worktree", "list").splitlines()) == 1


def test_a_stored_run_is_compared_but_fails_nothing(recorded_once, recorded):
    _, first = recorded_once
    done = recorded.bench(
        "-k", "loop", "--gate=off", "--against", first.run_dir.name, budget=1.6, TOY_TURNS="60000"
    )
    assert done.code == 0, done.out
    table = done.out.partition(f"against {first.run_dir.name} (advisory):")[2]
    assert "test_loop[cpu]" in table
    assert "duration" in table


# --- figures made up: what two workers served becomes findings, and these become a gate result ---

DURATION = Metric("duration", "s", gate="paired")
STEPS = Metric("steps", "steps", gate="exact", value=float)


def served(factor=1.0, before=50.0, after=50.0, spread=0.01) -> list[_Served]:
    """Five pairs of workers, the head slower by `factor`."""
    wobbles = [spread * step for step in (-2, -1, 0, 1, 2)]
    return [
        _Served(([1.0] * 5, [factor * math.exp(wobble)] * 5), ({"steps": before}, {"steps": after}))
        for wobble in wobbles
    ]


def cell(*findings, name="a") -> Cell:
    return Cell(name, name, name, "candidate", "cpu", {}, "measured", findings=findings)


def states(cells) -> list[str]:
    return [finding.gate_result.state for one in cells for finding in one.findings]


@pytest.mark.parametrize(
    ("factor", "expected"), [(2.0, "regressed"), (1.0, "pass"), (0.5, "pass"), (1.03, "inconclusive")]
)
def test_the_gate_follows_the_verdict(factor, expected):
    finding = _timed_finding(DURATION, "thread", served(factor))
    assert finding.effect.ratio == pytest.approx(factor)
    assert states(gated(settle([cell(finding)]))) == [expected]


def test_one_regression_by_chance_among_many_cells_is_inconclusive():
    slight = cell(_timed_finding(DURATION, "thread", served(1.04, spread=0.005)), name="slight")
    assert 1e-4 < slight.findings[0].effect.p < 0.01
    assert states(gated(settle([slight]))) == ["regressed"]
    same = _timed_finding(DURATION, "thread", served())
    crowd = [cell(same, name=f"same{i}") for i in range(100)]
    demoted = gated(settle([slight, *crowd]))[0].findings[0]
    assert demoted.gate_result.state == "inconclusive"
    assert "not significant among the run's 101 timed metrics" in demoted.gate_result.detail


def test_a_metric_that_is_better_higher_keeps_its_sense():
    backwards = _timed_finding(replace(DURATION, better="higher"), "thread", served(2.0))
    assert backwards.verdict == "improved"


@pytest.mark.parametrize(
    ("after", "tolerance", "expected"),
    [(50.0, 0.0, "pass"), (51.0, 0.0, "left ratchet"), (49.0, 0.0, "left ratchet"), (51.0, 0.02, "pass")],
)
def test_a_count_may_differ_by_its_tolerance(after, tolerance, expected):
    finding = _counted_finding(replace(STEPS, tolerance=tolerance), served(after=after))
    assert states(gated(settle([cell(finding)]))) == [expected]


@pytest.mark.parametrize("before", [math.nan, None])
def test_a_count_that_one_side_lacks_is_inconclusive(before):
    pairs = served(before=math.nan)
    if before is None:
        pairs = [replace(pair, counts=({}, pair.counts[1])) for pair in pairs]
    finding = _counted_finding(STEPS, pairs)
    (result,) = (f.gate_result for one in gated([cell(finding)]) for f in one.findings)
    assert (result.state, result.detail) == ("inconclusive", "base gives no such count")


def test_a_count_that_does_not_repeat_is_inconclusive():
    finding = _counted_finding(STEPS, [*served(), *served(after=51.0)])
    assert (finding.verdict, finding.reason) == ("inconclusive", "not exact: head gave 50 to 51")


def identity(*metrics) -> Identity:
    row = SimpleNamespace(name="cpu", clock="thread")
    return Identity("test_a.py::test_a[cpu]", Optimization("a", "a", metrics), row, {}, "b" * 64)


def test_a_rate_is_no_duration_to_compare():
    rate = Metric("rate", "1/s", gate="paired", better="higher", work=float)
    assert timed_metric(identity(rate, DURATION)) == DURATION
    assert timed_metric(identity(rate)) is None


def test_nothing_to_compare_is_not_run():
    found = side_by_side(identity(Metric("duration", "s")), (Path(), Path()), Path(), 1.0, 0)
    assert found.state == "not run"
    assert "nothing to compare side by side" in found.reason
