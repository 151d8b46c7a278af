"""What a run prints and where it writes: terminal, job summary, explanations."""

import os
import pty
import subprocess
import sys

import pytest

from harness.results import read_run

ESCAPE = "\x1b["


def on_a_terminal(project, **environment) -> str:
    """The output of one run whose stdout is a pseudo-terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        project.command("-m", "cpu"),
        cwd=project.root,
        env=project.environment(TERM="xterm", **environment),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    read = b""
    try:
        while chunk := os.read(ours, 65536):
            read += chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0, read.decode()
    return read.decode()


def closing(text: str) -> str:
    """What stands after our own section line."""
    return text.partition(" before/after ")[2]


def test_a_pipe_gets_no_escape_sequences_and_a_progress_line_per_cell(recorded_once):
    _, first = recorded_once
    assert ESCAPE not in first.out + first.err
    progress = [line for line in first.out.splitlines() if line.rstrip().endswith("left")]
    assert [line.split()[:2] for line in progress] == [
        ["benchmarks/test_loop.py::test_loop[cpu]", "1/2"],
        ["benchmarks/test_loss.py::test_loss[cpu]", "2/2"],
    ]


def test_the_first_lines_say_hardware_gate_and_matrix(recorded_once):
    _, first = recorded_once
    heads = [line.split()[0] for line in first.out.splitlines() if line]
    start = heads.index("hardware")
    assert heads[start : start + 3] == ["hardware", "gate", "matrix"]
    assert "noise floor" in first.out.splitlines()[start]
    assert "timed on the thread clock" in first.out


def test_the_last_lines_name_the_reports(recorded_once):
    _, first = recorded_once
    assert f"report: {first.run_dir / 'index.html'}" in first.out
    names = {path.name for path in first.run_dir.iterdir()}
    assert names >= {"results.json", "samples.parquet", "junit.xml", "summary.md", "index.html"}
    assert "pytest-benchmark.json" in names


def test_a_terminal_gets_colour_unless_no_color_is_set(make_project):
    project = make_project("loss")
    assert ESCAPE in closing(on_a_terminal(project))
    plain = on_a_terminal(project, NO_COLOR="1")
    assert "gate passed" in closing(plain)
    assert ESCAPE not in plain


def test_the_job_summary_is_appended_once_also_when_a_regression_is_confirmed(recorded):
    summary = recorded.root / "step-summary.md"
    summary.write_text("# Before\n")
    done = recorded.bench("-k", "loop", budget=1.6, TOY_TURNS="60000", GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 10, done.out
    assert summary.read_text() == "# Before\n" + (done.run_dir / "summary.md").read_text()


def test_a_job_summary_that_cannot_be_written_does_not_lose_the_report(recorded):
    done = recorded.bench("-k", "loss", GITHUB_STEP_SUMMARY=str(recorded.root))
    assert done.code == 0, done.out + done.err
    assert sum("$GITHUB_STEP_SUMMARY: Is a directory" in line for line in done.out.splitlines()) == 1
    assert done.document["run"]["exit_code"] == 0
    assert "report:" in done.out


def test_explain_tells_how_a_verdict_was_reached(recorded_once):
    project, first = recorded_once
    told = project.run(project.command("--explain", "test_loop[cpu]"))
    assert told.code == 0, told.err
    assert told.run_dir is None
    duration = next(f for f in first.cell("loop")["findings"] if f["metric"] == "duration")
    assert f"{duration['effect']['ratio']:.4f}" in told.out
    for expected in ("canary", "verdict: improved", "randomisation p", "thread clock", "claim 0.2 to 0.35"):
        assert expected in told.out
    assert "duration [s]" in told.out
    assert "test_loss" not in told.out


def test_explain_of_an_unknown_cell_is_4_and_names_the_known_ones(recorded_once):
    project, _ = recorded_once
    told = project.run(project.command("--explain", "test_nothing"))
    assert told.code == 4
    assert "benchmarks/test_loop.py::test_loop[cpu]" in told.err


@pytest.mark.parametrize("arguments", [["benchmarks", "--collect-only"], ["test_unit.py"]])
def test_no_run_folder_without_a_benchmark_to_run(make_project, arguments):
    project = make_project("loop")
    (project.root / "test_unit.py").write_text("def test_unit():\n    pass\n")
    done = project.run([sys.executable, "-m", "pytest", *arguments])
    assert done.code == 0, done.out
    assert not (project.root / "reports").exists()
    assert "noise floor" not in done.out


def test_runs_are_never_overwritten(recorded):
    earlier = {path: (path / "results.json").read_bytes() for path in recorded.runs()}
    done = recorded.bench("-k", "loss")
    assert done.run_dir not in earlier
    assert {path: (path / "results.json").read_bytes() for path in earlier} == earlier
    assert read_run(done.run_dir)["run"]["id"] == done.run_dir.name
