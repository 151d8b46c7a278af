"""`harness optimize-prompt`, from files to a saved prompt."""

import json
import shutil

import pytest
from optimize_kills import killed_runs

from harness.cli import main
from harness.prompts.examples import write_examples
from harness.prompts.generate import generate_splits
from harness.prompts.program import TYPED_LIST, Program
from harness.prompts.report.prompt_file import read_prompt_file
from harness.prompts.report.run_log_file import read_run_log

SIZES = {"train": 20, "validation": 12, "test": 40}


@pytest.fixture(scope="session")
def sets():
    return generate_splits(seed=3, sizes=SIZES)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, sets):
    """Runs the command in an empty folder on small example files; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for part, examples in sets.items():
        write_examples(tmp_path / f"{part}.json", examples)
    files = [word for part in SIZES for word in (f"--{part}", f"{part}.json")]

    def command(*words, task="scripted", files=files):
        code = main(["optimize-prompt", *files, "--task", task, "--output", "out/run", *words])
        return code, *capsys.readouterr()

    return command


def result(folder):
    return json.loads((folder / "out/run/result.json").read_text())


def test_a_poor_instruction_becomes_a_better_one_on_examples_it_never_saw(run, tmp_path, sets):
    code, out, err = run()
    found = result(tmp_path)
    assert code == 0
    assert found["comparison"]["verdict"] == "improved"
    assert (found["baseline"]["f1"], found["optimized"]["f1"], found["optimized"]["n"]) == (0.0, 1.0, 40)
    assert found["stopped"] == "perfect"
    assert out.startswith("held out    improved: F1 0.000 -> 1.000")
    assert "validation F1 1.000" in err
    saved = read_prompt_file(tmp_path / "out/run/prompt.json", Program("x", TYPED_LIST), sets["train"].types)
    assert saved.program.instruction == found["instruction"]
    (entry,) = read_run_log(tmp_path / "out/runs.jsonl")
    assert (entry.train, entry.validation, entry.test) == tuple(SIZES.values())
    assert entry.metric_calls == found["metric_calls"]
    assert "2025-11-25" in (tmp_path / "out/runs.md").read_text()
    assert "Result on held-out examples" in (tmp_path / "out/run/report.html").read_text()


def test_the_same_command_asks_nothing_again_and_writes_the_same_result(run, tmp_path):
    run("--no-cache")
    first = (tmp_path / "out/run/result.json").read_bytes()
    _, out, _ = run("--no-cache")
    assert (tmp_path / "out/run/result.json").read_bytes() == first
    assert "calls       0 now," in out
    spent = json.loads((tmp_path / "out/run/spent.json").read_text())
    assert spent["total"]["calls"] == 0
    assert spent["total"]["earlier_calls"] > 100


def test_threads_change_nothing_when_the_proposals_are_given(run, tmp_path):
    found = []
    for threads in ("1", "7"):
        run("--threads", threads, "--proposals", "2", "--no-cache")
        found.append(result(tmp_path))
        shutil.rmtree(tmp_path / "out")
    assert found[0] == found[1]


def test_other_inputs_are_refused_by_name_and_nothing_is_lost(run, tmp_path):
    run()
    journal = (tmp_path / "out/run/journal.jsonl").read_bytes()
    code, _, err = run("--seed", "1", "--instruction", "Find things.")
    assert code == 4
    assert "instruction and form was" in err
    assert "seed was '0', is '1'" in err
    assert (tmp_path / "out/run/journal.jsonl").read_bytes() == journal


def test_a_dry_run_asks_and_writes_nothing(run, tmp_path):
    code, out, _ = run("--dry-run")
    assert code == 0
    # 380 + 4 x 12 are budgeted, and the last of 6 calls goes over it; the document's are 128 for each example
    assert "task        432 to" in out
    assert f"{128 * 32:,} in light mode for 32 examples" in out
    assert not (tmp_path / "out").exists()


def test_the_documents_rules(run):
    _, out, _ = run("--documented", "--dry-run")
    assert "29 train, 3 validation by the document's rule, 40 test" in out
    # one call at a time on a local model
    assert "threads     1: the document's rule" in out


def test_a_planted_drop_of_the_lower_precision_is_seen(run, tmp_path):
    _, out, _ = run("--scripted-error", "0.3")
    check = result(tmp_path)["check"]
    assert check["divergence"]["decision"] == "fail"
    assert "next: optimize locally, on 30 % lost itself" in out


def test_stock_gepa_spends_the_budget_and_keeps_no_journal(run, tmp_path):
    pytest.importorskip("dspy")
    code, _, _ = run("--optimizer", "dspy", "--budget", "60", "--threads", "4")
    assert code == 0
    assert result(tmp_path)["metric_calls"] >= 60
    assert not (tmp_path / "out/run/journal.jsonl").exists()
    assert read_run_log(tmp_path / "out/runs.jsonl")[0].optimizer == "dspy"


def test_a_prompt_that_is_no_better_is_not_saved(run, tmp_path):
    best = "Extract the persons, places, organizations and activities."
    _, out, _ = run("--instruction", best)
    assert "prompt: not saved, nothing better was found" in out
    assert not (tmp_path / "out/run/prompt.json").exists()


def test_killed_and_resumed_it_pays_for_nothing_twice_and_ends_the_same(run, tmp_path):
    options = [word for part in SIZES for word in (f"--{part}", str(tmp_path / f"{part}.json"))]
    options += ["--task", "scripted", "--scripted-latency-s", "0.05", "--threads", "4"]
    seen = killed_runs(tmp_path, 3, options)
    assert (seen.lost, seen.same_result) == (0, True)
    assert seen.paid == seen.whole
    assert max(seen.kept) > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--budget", "12"], "--budget is '12' (allowed: light, medium, heavy, or a number above the 12"),
        (["--budget", "lots"], "--budget is 'lots'"),
        (["--threads", "0"], "--threads is 0 (allowed: 1 and more)"),
        (["--instruction", "  "], "--instruction: the instruction is empty"),
        (["--instruction-file", "none.txt"], "No such file or directory: 'none.txt'"),
        (["--examples", "train.json"], "--examples is split in three by itself"),
        (["--minibatch", "0"], "--minibatch is 0 (allowed: 1 and more)"),
        (["--remote"], "OPENAI_BASE_URL"),
        (["--remote", "--row", "l5"], "no row 'l5'"),
        (["--task-price", "-1", "1"], "usd_per_million_input is -1.0"),
        (["--budget", "9" * 5000], "--budget is '9999999999999999999"),
        (["--seed", "-1"], "--seed is -1"),
        (["--effect", "1e-300"], "--effect is 1e-300"),
        (["--scripted-error", "nan"], "--scripted-error is nan"),
        (["--scripted-latency-s", "inf"], "--scripted-latency-s is inf"),
        (["--check", "Q2_K"], "the scripted model has no precisions"),
        (["--row", "l5"], "no row 'l5'"),
    ],
)
def test_bad_input_is_one_line(run, monkeypatch, tmp_path, words, says):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    task = "entities" if "--task-price" in words else "scripted"
    code, out, err = run(*words, task=task)
    assert (code, out) == (4, "")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_files_that_do_not_go_together(run):
    _, _, err = run(files=["--train", "train.json", "--validation", "train.json", "--test", "test.json"])
    assert "is in train.json too" in err
    _, _, err = run(files=["--train", "train.json"])
    assert "--validation is missing" in err


@pytest.mark.parametrize(
    ("task", "words", "says"),
    [
        ("entities", ["--transfer", "Q99"], "there is no precision 'Q99'"),
        ("entities", ["--check", "Q99"], "there is no precision 'Q99'"),
        ("entities", ["--precision", "banana"], "there is no precision 'banana'"),
        ("entities", ["--check-model", "entities"], "--check-model names no precision"),
        ("nobody", [], "no model 'nobody'"),
        ("m-Q4_K_M.gguf", ["--check", "Q2_K"], "a GGUF file has one precision only"),
        ("m-Q4_K_M.gguf", ["--transfer", "Q2_K"], "a GGUF file has one precision only"),
        ("m-Q4_K_M.gguf", ["--precision", "Q8_0"], "--precision is Q8_0 (allowed: Q4_K_M)"),
    ],
)
def test_precisions_are_checked_before_anything_is_asked(run, tmp_path, task, words, says):
    code, out, err = run(*words, task=task)
    assert (code, out) == (4, "")
    assert says in err
    assert not (tmp_path / "out").exists()


def test_a_longer_budget_goes_on_and_a_prompt_of_before_is_moved_away(run, tmp_path):
    assert run("--budget", "40", "--proposals", "1")[0] == 0
    first = result(tmp_path)
    assert run("--budget", "400", "--proposals", "1")[0] == 0
    assert result(tmp_path)["optimized"]["f1"] > first["optimized"]["f1"]
    # the first prompt is kept beside the second
    assert len(list((tmp_path / "out/run/history").glob("prompt.*.json"))) == (1 if first["stopped"] else 0)


def test_a_folder_of_the_other_optimizer_and_a_broken_log_are_refused_first(run, tmp_path):
    pytest.importorskip("dspy")
    run()
    code, _, err = run("--optimizer", "dspy", "--budget", "40")
    assert code == 4
    assert "the folder holds a run of the other optimizer" in err
    (tmp_path / "out/runs.jsonl").write_text("{}\nbroken\n")
    code, _, err = run("--output", "out/second")
    assert code == 4
    assert "runs.jsonl" in err
    assert not (tmp_path / "out/second/journal.jsonl").exists()


def test_a_url_with_a_password_is_refused_before_anything_is_sent(run, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret@127.0.0.1:9/v1")
    code, _, err = run("--remote")
    assert code == 4
    assert "the base URL is none" in err
    assert "secret" not in err
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:abc/v1")
    assert run("--remote")[0] == 4


def test_a_saved_prompt_is_where_the_next_run_begins_unless_it_is_another_programs(run, tmp_path):
    run()
    saved = tmp_path / "out/run/prompt.json"
    code, out, _ = run("--prompt", str(saved), "--output", "out/second")
    assert code == 0
    assert json.loads((tmp_path / "out/second/result.json").read_text())["baseline"]["f1"] == 1.0
    assert "prompt: not saved, nothing better was found" in out
    code, _, err = run("--prompt", str(saved), "--format", "names-by-type", "--output", "out/third")
    assert code == 4
    assert "this prompt belongs to another program" in err
    changed = json.loads(saved.read_text())
    changed["fields"] = changed["fields"][::-1]
    saved.write_text(json.dumps(changed))
    code, _, err = run("--prompt", str(saved), "--output", "out/third")
    assert code == 4
    assert "same fields in another order" in err
