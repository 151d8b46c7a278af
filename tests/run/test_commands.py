"""The `harness` command on runs that the plugin wrote."""

import json

import pytest

from harness.cli import main


def test_report_merges_runs_into_one(recorded_once, recorded):
    _, first = recorded_once
    second = recorded.bench("-m", "l4")
    done = recorded.harness("report", first.run_dir.name, "latest")
    assert done.code == 0, done.err
    merged = json.loads((recorded.root / "reports" / "merged" / "results.json").read_text())
    assert [run["run"]["id"] for run in merged["runs"]] == [first.run_dir.name, second.run_dir.name]
    page = (recorded.root / "reports" / "merged" / "index.html").read_text()
    assert first.run_dir.name in page
    assert second.run_dir.name in page
    assert "(modelled)" in done.out
    other = recorded.harness("report", first.run_dir.name, "--output", "elsewhere")
    assert other.code == 0
    assert (recorded.root / "elsewhere" / "index.html").exists()


def test_compare_says_what_changed(recorded):
    first = next(iter(recorded.runs()))
    second = recorded.bench("-k", "loop", "--gate=off", TOY_STEPS="40")
    done = recorded.harness("compare", first.name, second.run_dir.name)
    assert done.code == 0, done.err
    assert "steps" in done.out
    assert "0.5" in done.out
    assert "0.4" in done.out


def test_doctor_measures_every_clock_and_says_what_each_row_needs(recorded_once):
    project, _ = recorded_once
    done = project.harness("doctor")
    assert done.code == 0, done.err
    heads = [line.split()[:2] for line in done.out.splitlines()]
    assert [head[1] for head in heads if head[0] == "noise"] == ["thread", "process", "wall"]
    assert ["measured", "cpu"] in heads
    (elsewhere,) = [line for line in done.out.splitlines() if line.startswith("elsewhere")]
    assert elsewhere.split()[1] == "l4:"
    assert "`pytest benchmarks -m ROW`" in elsewhere
    models = {line.split()[1]: line for line in done.out.splitlines() if line.startswith("model ")}
    assert "needs weights" in models["detection"]
    assert models["detection"].endswith("git checkout -- fixtures/models")


def test_doctor_knows_weights_that_are_here(recorded):
    folder = recorded.root / "fixtures" / "models" / "answers"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"0")
    done = recorded.harness("doctor")
    (line,) = [line for line in done.out.splitlines() if line.split()[:2] == ["model", "detection"]]
    assert line.endswith("fixtures/models/answers: here")


def test_commands_work_in_every_folder_of_the_project(recorded_once, monkeypatch, capsys):
    project, first = recorded_once
    monkeypatch.chdir(project.root / "benchmarks")
    assert main(["compare", "latest", first.run_dir.name]) == 0
    assert main(["matrix"]) == 0
    assert "cpu " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert "hardware_matrix.toml" in capsys.readouterr().out


def test_a_run_named_twice_is_shown_once(recorded, monkeypatch, capsys):
    monkeypatch.chdir(recorded.root)
    assert main(["report", "latest", "latest"]) == 0
    merged = json.loads((recorded.root / "reports" / "merged" / "results.json").read_text())
    assert len(merged["runs"]) == 1


def test_matrix_lists_the_rows(recorded_once):
    project, _ = recorded_once
    done = project.harness("matrix")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["cpu", "l4"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "nope"], "no run called 'nope'"),
        (["compare", "latest", "nope"], "no run called 'nope'"),
        (["report", "run-"], "runs begin with 'run-'"),
        (["doctor", "--matrix", "nope.toml"], "there is no such hardware matrix"),
        (["matrix", "--matrix", "broken.toml"], "broken.toml"),
        (["compare", "latest", "broken.toml"], "broken.toml"),
        (["report", "run-1", "--output", "broken.toml"], "broken.toml: cannot be written"),
        (["report", "run-1", "--output", "broken.toml/below"], "cannot be written"),
        (["compare", "latest"], "B"),
        (["report"], "RUN"),
        (["selftest", "--clock", "sundial"], "sundial"),
        (["nope"], "nope"),
        ([], "COMMAND"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_4(recorded_once, monkeypatch, capsys, tmp_path, arguments, says):
    _, first = recorded_once
    reports = tmp_path / "reports"
    reports.mkdir()
    for name in ("run-1", "run-2"):
        (reports / name).symlink_to(first.run_dir)
    (tmp_path / "broken.toml").write_text("[cpu")
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as left:
        code = left.code
    out, err = capsys.readouterr()
    assert code == 4
    assert out == ""
    assert len(err.splitlines()) == 1
    assert says in err


def test_the_installed_command_leaves_with_the_same_code(recorded_once):
    project, _ = recorded_once
    done = project.harness("compare", "latest", "nope")
    assert done.code == 4
    assert done.err.startswith("harness: ")
    assert "Traceback" not in done.err
