"""A run killed at any moment: what was measured stays, what was not is measured, nothing twice."""

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from harness.results import cell_from_json, load_cells, read_run

CELLS = 6
KILLED_AFTER = 3
REPORTS = (
    "results.json",
    "samples.parquet",
    "junit.xml",
    "summary.md",
    "index.html",
    "pytest-benchmark.json",
)


def files_of(run_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run_dir / "cells").glob("*.json")}


def unfinish(run_dir: Path) -> None:
    """Make a run look as if it had been killed just before its last report."""
    (run_dir / "results.json").unlink()


def executions(project) -> Counter[tuple[str, str]]:
    """(process, cell) -> how often an arm of that cell ran in it."""
    lines = (project.root / "executions.log").read_text().splitlines()
    return Counter(tuple(line.split()) for line in lines)


@pytest.fixture(scope="module")
def resumed(make_long_lived):
    """A project whose run was killed after three cells and resumed; what was on disk in between."""
    project = make_long_lived("many", "loss")
    before = project.bench("-k", "test_loss")
    process = subprocess.Popen(
        project.command("-m", "cpu", budget=3.0),
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
    )
    (killed,) = _wait_for_cells(project, process, before.run_dir)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept, first_log = files_of(killed), executions(project)
    recovered = read_run(killed)
    done = project.bench("--resume", killed.name, budget=3.0)
    return project, before, killed, kept, first_log, recovered, done


def _wait_for_cells(project, process, earlier):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        found = project.runs() - {earlier}
        if found and len(files_of(next(iter(found)))) >= KILLED_AFTER:
            return found
        time.sleep(0.005)
    raise AssertionError("the run ended before it could be killed")


def test_finished_cells_are_byte_for_byte_what_they_were(resumed):
    _, _, killed, kept, _, _, done = resumed
    assert done.code == 0, done.out
    assert KILLED_AFTER <= len(kept) < CELLS
    after = files_of(killed)
    assert {name: after[name] for name in kept} == kept
    assert len(after) == CELLS


def test_no_finished_cell_is_measured_twice_and_all_others_are_measured(resumed):
    project, _, killed, kept, first_log, _, _ = resumed
    second = executions(project) - first_log
    again = {cell for _, cell in second}
    cells = load_cells(killed)
    many = {nodeid for nodeid in cells if "test_many" in nodeid}
    finished = {cell["nodeid"] for cell in resumed[5]["cells"]} & many
    names = {nodeid: nodeid.partition("[")[2].rstrip("]") for nodeid in many}
    assert len(kept) == len(resumed[5]["cells"])
    assert again == {names[nodeid] for nodeid in many - finished}
    assert all(cell.state == "measured" and cell.samples for nodeid, cell in cells.items() if nodeid in many)


def test_a_killed_run_is_readable_and_leaves_the_earlier_one_alone(resumed):
    project, before, killed, kept, _, recovered, _ = resumed
    assert recovered["run"]["finished"] is None
    assert recovered["run"]["exit_code"] is None
    assert len(recovered["cells"]) == len(kept)
    assert read_run(before.run_dir)["run"]["exit_code"] == 0
    assert project.runs() == {before.run_dir, killed}


def test_a_resumed_run_writes_every_report(resumed):
    _, _, killed, _, _, _, _ = resumed
    assert {path.name for path in killed.iterdir()} == {*REPORTS, "run.json", "cells"}
    document = read_run(killed)
    assert len(document["cells"]) == CELLS
    assert document["run"]["exit_code"] == 0
    assert [cell_from_json(cell).state for cell in document["cells"]] == ["measured"] * CELLS


def test_a_finished_run_is_refused_and_stays_as_it_is(resumed):
    project, _, killed, _, _, _, _ = resumed
    before = {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()}
    log = executions(project)
    refused = project.bench("--resume", killed.name)
    assert refused.code == 4, refused.out
    said = [line for line in (refused.out + refused.err).splitlines() if "this run is finished" in line]
    assert len(said) == 1
    assert "Traceback" not in refused.out + refused.err
    assert {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()} == before
    assert executions(project) == log
    assert refused.run_dir is None


def test_a_changed_benchmark_is_the_only_one_measured_again(resumed):
    project, _, killed, _, _, _, _ = resumed
    before, log = files_of(killed), executions(project)
    file = project.root / "benchmarks" / "test_loss.py"
    file.write_text(file.read_text() + "CHANGED = 1\n")
    unfinish(killed)
    done = project.bench("--resume", killed.name, budget=3.0)
    assert done.code == 0, done.out
    changed = [name for name, content in files_of(killed).items() if content != before[name]]
    assert len(changed) == 1
    assert executions(project) == log
    file.write_text(file.read_text().removesuffix("CHANGED = 1\n"))


def test_resuming_with_more_rows_adds_them(resumed):
    project, _, killed, _, _, _, _ = resumed
    unfinish(killed)
    done = project.bench("-m", "cpu or l4", "--resume", "latest", budget=3.0)
    assert done.code == 0, done.out + done.err
    document = read_run(killed)
    assert len(document["cells"]) == 2 * CELLS
    assert document["run"]["selected_rows"] == ["cpu", "l4"]


def test_an_interrupted_run_says_how_to_go_on(make_project):
    project = make_project("many")
    process = subprocess.Popen(
        project.command("-m", "cpu", budget=30.0),
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (project.root / "executions.log").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    (run_dir,) = project.runs()
    assert process.returncode == 2, out
    assert f"continue with --resume {run_dir.name}" in out
    assert read_run(run_dir)["run"]["finished"] is None


def killed_in_the_last_plain_one(project) -> Path:
    """The folder of a run that was killed after its first plain benchmark; the next run may finish."""
    log = project.root / "plain.log"
    process = subprocess.Popen(
        project.command("-m", "cpu"), cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while (not log.exists() or "last" not in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert log.read_text().split() == ["first", "last"]
    (project.root / "go").touch()
    (killed,) = project.runs()
    return killed


def test_a_plain_benchmark_finished_before_a_kill_is_not_measured_again(make_project):
    project = make_project("waits")
    killed = killed_in_the_last_plain_one(project)
    kept = {path: path.read_bytes() for path in (killed / "micro").iterdir()}
    done = project.bench("--resume", "latest")
    assert done.code == 0, done.out + done.err
    assert (project.root / "plain.log").read_text().split() == ["first", "last", "last"]
    assert len(kept) == 1
    assert {path: path.read_bytes() for path in kept} == kept
    found = {entry["nodeid"].partition("::")[2] for entry in read_run(killed)["micro"]}
    assert found == {"test_first", "test_last"}


def test_a_plain_benchmark_that_failed_before_a_kill_still_fails_the_resumed_run(make_project):
    project = make_project("waits")
    file = project.root / "benchmarks" / "test_waits.py"
    measured = "benchmark.pedantic(int, rounds=3)"
    file.write_text(file.read_text().replace(measured, f"assert {measured} == 1", 1))
    killed_in_the_last_plain_one(project)
    assert project.bench("--resume", "latest").code == 1
