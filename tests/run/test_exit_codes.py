"""Every exit code, from the command that a user types."""

import pytest

# seconds of measuring that settle a factor of two on a machine that others use too
TIMED = 1.6


def test_a_baseline_is_recorded_printed_and_then_holds(recorded_once, recorded):
    _, first = recorded_once
    assert "cpu.json: 2 changed, 0 unchanged" in first.out
    assert "steps: nothing -> 100 / 50 steps" in first.out
    assert "pinned: cpu.pinned.json" in first.out
    again = recorded.bench(budget=TIMED)
    assert again.code == 0, again.out
    assert again.gate("loop", "steps")["state"] == "pass"
    assert again.gate("loop", "duration")["state"] == "pass"
    assert again.gate("loss", "error")["state"] == "pass"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--resume", "run-nope"], "no run called 'run-nope'"),
        (["--hardware", "l5"], "l4"),
        (["--budget", "0"], "--budget 0"),
        (["--budget", "nan"], "--budget nan"),
        (["--round-seed", "-1"], "--round-seed -1"),
        (["--report-dir", ""], "--report-dir is empty"),
        (["--explain", ""], "--explain is empty"),
        (["-m", "cpu or"], "Wrong expression passed to '-m'"),
        (["--against", "nope"], "neither a run nor a git revision: 'nope'"),
        (["--matrix", "elsewhere.toml"], "there is no such hardware matrix"),
        (["--gate", "lenient"], "invalid choice"),
        (["--explain", "test_loop"], "no run called 'latest'"),
        (["--benchmark-compare-fail=mean:5%", "--benchmark-compare-fail=min:5%"], "given twice"),
    ],
)
def test_bad_input_is_4_in_one_line_and_opens_no_run(make_project, arguments, says):
    done = make_project("loop").bench(*arguments)
    assert done.code == 4
    assert sum(says in line for line in done.err.splitlines()) == 1
    assert "Traceback" not in done.out + done.err
    assert done.run_dir is None


def test_a_broken_matrix_is_4_and_names_the_place(make_project):
    project = make_project("loop")
    matrix = project.root / "hardware_matrix.toml"
    matrix.write_text(matrix.read_text().replace("memory_gib = 22.5", 'memory_gib = "22.5"'))
    done = project.bench()
    assert done.code == 4
    assert "row l4, key memory_gib" in done.err
    assert "Traceback" not in done.out + done.err


def test_the_fixture_without_a_matrix_is_4(make_project):
    project = make_project("loop")
    (project.root / "hardware_matrix.toml").unlink()
    done = project.run(project.command())
    assert done.code == 4, done.out
    assert "hardware_matrix.toml" in done.out + done.err
    assert "--matrix FILE" in done.out + done.err
    assert "Traceback" not in done.out + done.err


def test_a_planted_slowdown_is_10_once_a_fresh_process_repeats_it(recorded):
    done = recorded.bench("-k", "loop", budget=TIMED, TOY_TURNS="60000")
    assert done.code == 10, done.out
    result = done.gate("loop", "duration")
    assert result["state"] == "regressed"
    assert result["detail"].endswith("; repeated in a fresh process")
    assert done.document["run"]["exit_code"] == 10


def test_a_confirmation_sees_the_project_as_its_user_does(recorded):
    loop = recorded.root / "benchmarks" / "test_loop.py"
    options = '-m "not slow" -p no:cacheprovider -p no:hypothesispytest'
    own = f"[pytest]\naddopts = {options}\npython_functions = time_*\n"
    (recorded.root / "other.ini").write_text(own)
    loop.write_text(loop.read_text().replace("def test_loop", "def time_loop"))
    common = ["-c", "other.ini", "--hardware", "cpu", "-k", "time_loop"]
    assert recorded.bench(*common, "--update-baseline", budget=3.0).code == 0
    done = recorded.bench(*common, budget=TIMED, TOY_TURNS="60000")
    assert done.code == 10, done.out
    assert done.gate("loop", "duration")["detail"].endswith("; repeated in a fresh process")


def test_a_slowdown_that_a_fresh_process_does_not_repeat_is_green(recorded):
    plant = recorded.root / "plant"
    plant.touch()
    done = recorded.bench("-k", "loop", budget=TIMED)
    assert not plant.exists()
    assert done.code == 0, done.out
    assert done.cell("loop")["findings"][1]["effect"]["ratio"] > 1.5
    assert done.gate("loop", "duration") == {
        "state": "inconclusive",
        "detail": "did not repeat in a fresh process",
    }


def test_no_confirm_takes_the_first_process_at_its_word(recorded):
    (recorded.root / "plant").touch()
    assert recorded.bench("-k", "loop", "--no-confirm", budget=TIMED).code == 10


@pytest.mark.parametrize("steps", ["40", "60"], ids=["fewer", "more"])
def test_a_counted_metric_that_left_its_ratchet_is_10(recorded, steps):
    done = recorded.bench("-k", "loop", TOY_STEPS=steps)
    assert done.code == 10, done.out
    assert done.gate("loop", "steps")["state"] == "left ratchet"
    assert f"optimized 50 -> {steps} steps" in done.out


def test_modelled_figures_are_a_ratchet_of_their_constants(make_project):
    project = make_project("loop")
    assert project.bench("-m", "l4", "--update-baseline").code == 0
    changed = project.bench("-m", "l4", TOY_STEPS="40")
    assert changed.code == 10, changed.out
    assert changed.gate("loop", "steps")["state"] == "left ratchet"
    renewed = project.bench("-m", "l4", TOY_VERSION="toy 2")
    assert renewed.code == 13, renewed.out
    assert "constants of the cost model changed: toy 1 -> toy 2" in renewed.gate("loop", "steps")["detail"]


def test_what_the_budget_leaves_over_is_not_run_and_says_so(make_project):
    done = make_project("many").bench(budget=0.01)
    assert [cell["state"] for cell in done.document["cells"]] == ["measured", *["not run"] * 4]
    left_over = done.document["cells"][1:]
    assert {cell["reason"].partition(":")[0] for cell in left_over} == {"budget"}
    assert "4 not run  budget:" in done.out


def test_update_baseline_prints_the_difference_and_accepts_it(recorded):
    done = recorded.bench("-k", "loop", "--update-baseline", TOY_STEPS="40")
    assert done.code == 0, done.out
    assert "steps: 100 / 50 steps -> 100 / 40 steps" in done.out


def test_an_inconclusive_gate_is_11_when_strict(recorded):
    strict = recorded.bench("-k", "loop", "--gate=strict", TOY_WOBBLE="1")
    assert strict.code == 11, strict.out
    assert strict.gate("loop", "steps")["state"] == "inconclusive"


def test_gate_off_never_fails_a_run(recorded):
    done = recorded.bench("--gate=off", TOY_TURNS="60000", TOY_STEPS="40", TOY_LOSS="0.5")
    assert done.code == 0, done.out
    assert done.gate("loop", "steps") == {"state": "not gated", "detail": "gate off"}


def test_measuring_asked_for_and_nothing_measured_is_12(make_project):
    project = make_project("loop")
    elsewhere = project.bench("-m", "l4", "--measured-only")
    assert elsewhere.code == 12, elsewhere.out
    assert elsewhere.cell("loop")["state"] == "not run"
    nothing = project.bench("-m", "cpu and l4")
    assert nothing.code == 12, nothing.out
    assert "nothing was measured; rows: cpu, l4" in nothing.out
    assert nothing.run_dir is None


def test_a_deleted_baseline_is_13_while_the_pinned_one_exists(recorded):
    recorded.baseline().unlink()
    done = recorded.bench("-k", "loss")
    assert done.code == 13, done.out
    assert done.gate("loss", "error")["state"] == "baseline missing"


def test_another_workload_or_another_benchmark_is_13(recorded):
    (recorded.root / "inputs" / "turns.txt").write_text("30002")
    file = recorded.root / "benchmarks" / "test_loss.py"
    file.write_text(file.read_text() + "CHANGED = 1\n")
    done = recorded.bench()
    assert done.code == 13, done.out
    for cell, metric, what in (("loop", "steps", "workload changed"), ("loss", "error", "benchmark changed")):
        assert done.gate(cell, metric)["state"] == "incompatible"
        assert what in done.gate(cell, metric)["detail"]


def test_a_broken_benchmark_file_opens_no_run(make_project):
    project = make_project("loop")
    (project.root / "benchmarks" / "test_broken.py").write_text("import nothing_of_that_name\n")
    done = project.bench()
    assert done.code == 2
    assert done.run_dir is None


def test_a_vanished_benchmark_is_13_until_its_baseline_is_dropped(recorded):
    (recorded.root / "benchmarks" / "test_loop.py").unlink()
    done = recorded.bench()
    assert done.code == 13, done.out
    assert [item["nodeid"] for item in done.document["vanished"]] == [
        "benchmarks/test_loop.py::test_loop[cpu]"
    ]
    assert recorded.bench("--update-baseline").code == 0
    assert "test_loop" not in recorded.baseline().read_text()


def test_what_was_not_asked_for_did_not_vanish(recorded):
    (recorded.root / "benchmarks" / "test_loop.py").unlink()
    one_file = [*recorded.command(), "-m", "cpu"]
    one_file[one_file.index("benchmarks")] = "benchmarks/test_loss.py"
    assert recorded.run(one_file).code == 0


def test_a_damaged_baseline_is_13_before_anything_is_measured(recorded):
    recorded.baseline().write_text("{")
    done = recorded.bench("-k", "loss")
    assert done.code == 13
    assert sum(str(recorded.baseline()) in line for line in done.out.splitlines()) == 1
    assert done.run_dir is None
    assert "Traceback" not in done.out + done.err


def test_something_shipped_over_its_limit_is_14_before_any_regression(recorded):
    done = recorded.bench(TOY_ROLE="shipped", TOY_LOSS="0.2", TOY_STEPS="40")
    assert done.code == 14, done.out
    assert done.gate("loss", "error")["state"] == "over limit"
    assert done.gate("loop", "steps")["state"] == "left ratchet"


def test_a_candidate_that_breaks_the_limit_it_held_is_10(recorded):
    done = recorded.bench("-k", "loss", TOY_LOSS="0.2")
    assert done.code == 10, done.out
    assert done.gate("loss", "error")["state"] == "regressed"


def test_refuted_claims_and_refused_candidates_are_green(make_project):
    done = make_project("loop", "loss").bench(budget=TIMED, TOY_TURNS="60000", TOY_LOSS="0.2")
    assert done.code == 0, done.out
    duration = done.cell("loop")["findings"][1]
    assert duration["verdict"] == "worse"
    assert duration["claims"][0]["state"] == "refuted"
    assert done.cell("loss")["fidelity"] == "refused"
    assert done.gate("loss", "error")["state"] == "refused"
    assert "refuted" in done.out
    assert "refused" in done.out


def test_a_failing_test_wins_over_every_gate(recorded):
    done = recorded.bench(TOY_FAIL="1", TOY_ROLE="shipped", TOY_LOSS="0.2")
    assert done.code == 1, done.out
    assert "1 failed" in done.out
