"""`harness optimize-prompt --remote` against a server that is right, down, wrong, or another one."""

import json

import pytest
from model_server import model_server
from scripted_server import reply

from harness.calls.journal import read_journal
from harness.cli import main
from harness.prompts.command.threads import stated_by
from harness.prompts.examples import ExampleSet, write_examples
from harness.prompts.generate import generate_splits
from harness.prompts.offline.scripted import Precision
from harness.prompts.sizing import Stated

SIZES = {"train": 12, "validation": 8, "test": 20}
SECRET = "sk-secret-1234"


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Every example, which are also files in the working folder."""
    monkeypatch.chdir(tmp_path)
    sets = generate_splits(seed=5, sizes=SIZES)
    for part, examples in sets.items():
        write_examples(tmp_path / f"{part}.json", examples)
    every = tuple(each for examples in sets.values() for each in examples.examples)
    return ExampleSet(sets["train"].types, every)


@pytest.fixture
def run(monkeypatch, capsys):
    def command(server, *words):
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        files = [word for part in SIZES for word in (f"--{part}", f"{part}.json")]
        options = ["--remote", "--model", "task", "--reflection-model", "reflection", "--threads", "4"]
        code = main(["optimize-prompt", *files, *options, "--output", "out/run", *words])
        return code, *capsys.readouterr()

    return command


def test_it_optimizes_and_no_secret_is_written(run, known, tmp_path):
    with model_server(known) as server:
        code, out, err = run(server, "--task-price", "1", "2")
    assert code == 0, err
    assert "improved: F1 0.000 -> 1.000" in out
    assert "0.0000 USD" not in out
    assert f"calls       {server.asked:,} now" in out
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert SECRET not in out + err


def broken(_handler):
    raise OSError("the server goes away")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (broken, "the first: "),
        (reply(500, {"error": {"message": "overloaded"}}), "500"),
        (reply(401, {"error": {"message": "no such key"}}), "401"),
        (reply(200, {"surprise": True}), ""),
    ],
    ids=["connection", "server error", "refused key", "garbage"],
)
def test_a_server_that_fails_stops_the_run_and_the_same_command_goes_on(
    run, known, tmp_path, monkeypatch, fault, says
):
    monkeypatch.setattr("harness.engines.transport.delay_s", lambda *_: 0.0)
    with model_server(known) as server:
        server.fault = lambda nth: fault if nth >= 45 else None
        code, out, err = run(server)
        assert (code, out) == (21, "") if says != "401" else (4, "")
        assert says in err
        assert "the same command goes on there" in err
        kept = len(read_journal(tmp_path / "out/run/journal.jsonl").answers)
        assert kept >= 40
        assert not (tmp_path / "out/run/result.json").exists()
        before = server.asked
        server.fault = lambda _: None
        code, out, _ = run(server)
        assert code == 0
        spent = json.loads((tmp_path / "out/run/spent.json").read_text())["total"]
        assert spent["journal_hits"] == kept
        assert server.asked - before == spent["calls"]


def test_servers_of_one_name_and_other_weights_share_nothing(run, known, tmp_path):
    with model_server(known) as one, model_server(known, Precision(dropped=0.5)) as other:
        run(one, "--cache", "cache", "--weights", "one")
        asked = one.asked
        code, _, err = run(other, "--cache", "cache", "--weights", "other")
        # the journal is the first server's
        assert code == 4
        assert "task weights was" in err
        code, _, _ = run(other, "--cache", "cache", "--weights", "other", "--output", "out/other")
        assert code == 0
        assert other.asked > 0
        assert one.asked == asked
    first, second = (
        json.loads((tmp_path / f"out/{name}/result.json").read_text()) for name in ("run", "other")
    )
    assert first["optimized"]["f1"] == 1.0
    assert second["optimized"]["f1"] < 0.9


def test_what_a_server_says_it_holds(known):
    line = 'vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="1000"} 1.0\n'
    with model_server(known, pages={"/metrics": line}) as server:
        assert stated_by(server.url) == Stated(kv_tokens=16_000)
    with model_server(known, pages={"/props": '{"total_slots": 6}'}) as server:
        assert stated_by(server.url) == Stated(slots=6)
    with model_server(known, pages={"/props": "no JSON"}) as server:
        assert stated_by(server.url) == Stated()
