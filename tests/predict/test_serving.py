"""`harness predict serving`: what a user asks and what comes back."""

import csv
import json
import math
from pathlib import Path

import pytest

from harness.cli import main
from harness.costmodel.constants import load_constants
from harness.costmodel.known_models import find_model
from harness.costmodel.load import decode_load, prefill_load
from harness.costmodel.serving import capacity_of, documented, serve, step_time_of
from harness.costmodel.simulation import ClosedLoop, goodput_of, outcome_of, poisson_requests, requests_of
from harness.costmodel.simulation.outcome import Limits
from harness.hardware import load_matrix

ROOT = Path(__file__).resolve().parents[2]
ROWS = load_matrix(ROOT / "hardware_matrix.toml").rows
QWEN = find_model("qwen3-4b")
SMALL = ("--requests", 40, "--prompt-tokens", 300, "--output-tokens", 20)


@pytest.fixture
def figures(predict):
    """The figures of qwen3-4b on one row."""

    def run(*words, row="l4"):
        code, found, err = predict("serving", "qwen3-4b", "--row", row, *SMALL, "--json", *words)
        assert (code, err) == (0, "")
        return found["rows"][0]["figures"]

    return run


def test_json_says_what_the_library_says(predict):
    asked = ("serving", "qwen3-4b", "--weights", "fp8", "--row", "l4", *SMALL, "--threads", 8)
    code, found, _ = predict(*asked, "--ttft-limit-s", 0.2, "--json")
    assert code == 0
    serving = documented(QWEN, "fp8", ROWS["l4"])
    requests, step_time = requests_of(0.0, [300] * 40, 20), step_time_of(serving)
    served = serve(serving, requests, closed=ClosedLoop(8))
    outcome, goodput = outcome_of(requests, served), goodput_of(requests, served, Limits(0.2))
    row = found["rows"][0]
    assert row["figures"]["output_tokens_per_s"] == outcome.output_tokens_per_s
    assert row["figures"]["end_to_end_s"]["p99"] == outcome.end_to_end_s.p99
    assert row["figures"]["goodput"] == {"share": goodput.share, "requests_per_s": goodput.requests_per_s}
    assert row["figures"]["steps"] == {
        "prefill_s": step_time.seconds(prefill_load(300)),
        "decode_one_s": step_time.seconds(decode_load(1, 310)),
        "decode_s": step_time.seconds(decode_load(8, 8 * 310)),
        "decoding": 8,
    }
    capacity = capacity_of(serving)
    assert row["capacity"]["max_concurrency"] == capacity.max_concurrency
    assert row["sequences_at_once"] == (capacity.blocks - 1) // math.ceil(320 / 16)
    assert found["provenance"]["modelled"] == load_constants().version


def test_the_keys_of_the_json_document(predict):
    _, found, _ = predict(
        "serving", "llama-2-70b", "--row", "l4", "h200", "--weights", "int8", *SMALL, "--json"
    )
    assert set(found) == {"model", "weights", "engine", "load", "limits", "provenance", "rows"}
    assert set(found["provenance"]) == {"modelled", "host", "quoted"}
    refused, served = found["rows"]
    assert set(refused) == set(served) == {
        "row", "fits", "reason", "settings", "capacity", "sequences_at_once", "figures", "price", "constants",
    }  # fmt: skip
    assert (refused["fits"], refused["figures"]) == (False, None)
    assert (served["fits"], served["reason"]) == (True, None)
    assert set(served["figures"]) >= {
        "steps", "goodput", "usd_per_million_output_tokens", "busy_energy_upper_bound_j", "unknown",
        "restarts", "time_to_first_token_s", "inter_token_latency_s", "end_to_end_s", "output_tokens_per_s",
    }  # fmt: skip
    price = {"provenance", "usd_per_hour", "rows_used", "date", "basis", "source"}
    assert set(served["price"]) == price
    assert set(served["constants"]["expected_error"]) == {"of", "median", "p90"}


def test_equal_questions_get_equal_bytes(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)

    def said(seed):
        words = ("serving", "qwen3-4b", "--row", "l4", "h100", *SMALL, "--rate", 5, "--seed", seed, "--json")
        assert main(["predict", *map(str, words)]) == 0
        return capsys.readouterr().out

    assert said(3) == said(3)
    assert said(3) != said(4)
    assert said(3) == json.dumps(json.loads(said(3)), indent=2, sort_keys=True) + "\n"


def test_every_gpu_row_is_shown_unless_some_are_named(predict):
    def rows(*names):
        code, found, _ = predict("serving", "qwen3-4b", *names, *SMALL, "--json")
        assert code == 0
        return [each["row"] for each in found["rows"]]

    assert rows() == [name for name, row in ROWS.items() if row.kind == "cuda"]
    assert rows("--row", "h100", "l4", "--row", "h100", "t4") == ["h100", "l4", "t4"]


def test_a_row_where_it_does_not_fit_is_an_answer(predict):
    asked = ("serving", "llama-2-70b", "--weights", "int8", *SMALL)
    code, text, _ = predict(*asked, "--row", "l4", "h200")
    assert code == 0
    code, text, err = predict(*asked, "--row", "l4")
    assert (code, err) == (3, "")
    assert "llama-2-70b with int8 weights does not fit: 4" in text
    code, found, _ = predict(*asked, "--row", "l4", "--json")
    assert code == 3
    assert "does not fit" in found["rows"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--prompt-tokens", 4090, "--output-tokens", 7), "the longest request has 4,097 tokens"),
        (("--no-chunked-prefill", "--max-batched-tokens", 200), "no prompt fits whole into a step of 200"),
        (("--engine", "static", "--batch", 300), "a batch of 300 sequences of 320 tokens"),
    ],
)
def test_a_load_that_a_row_cannot_take_is_an_answer(predict, words, reason):
    code, text, err = predict("serving", "qwen3-4b", "--row", "l4", *SMALL, *words)
    assert (code, err) == (3, "")
    assert reason in text


def test_settings_that_one_row_cannot_have_do_not_stop_the_others(predict, tmp_path):
    text = (ROOT / "hardware_matrix.toml").read_text()
    head, tail = text.split("[l4]", 1)
    lonely = tail.replace("interconnect_gb_s = ", "interconnect_gb_s = 0.0 # ", 1)
    lonely = lonely.replace("interconnect = ", 'interconnect = "none" # ', 1)
    matrix = tmp_path / "mine.toml"
    matrix.write_text(f"{head}[l4]{lonely}")
    asked = ("serving", "qwen3-4b", *SMALL, "--tensor-parallel", 2, "--matrix", matrix, "--json", "--row")
    code, found, _ = predict(*asked, "l4", "t4x2", "t4")
    assert code == 0
    assert [(each["fits"], each["price"]["rows_used"]) for each in found["rows"]] == [
        (False, 2),
        (True, 1),
        (True, 2),
    ]
    assert found["rows"][2]["price"]["usd_per_hour"] == 2 * ROWS["t4"].price.usd_per_hour
    code, _, err = predict(*asked, "l4")
    assert code == 4
    assert "no link" in err


@pytest.mark.parametrize("engine", [(), ("--engine", "static"), ("--engine", "sequential"), ("--rate", 3)])
@pytest.mark.parametrize("row", ["l4", "a100_20gb"])
def test_the_text_has_no_holes(predict, engine, row):
    words = ("--output-tokens", 1) if row == "l4" else ("--ttft-limit-s", 0.1)
    code, text, _ = predict("serving", "qwen3-4b", "--row", row, "t4", *SMALL, *engine, *words)
    assert code == 0
    assert f"modelled, constants {load_constants().version}; prices quoted" in text
    price = ROWS[row].price
    assert f"usd/h, {price.basis}, {price.date})" in text
    assert "step times off by" in text
    assert "nan" not in text.lower()
    assert "None" not in text
    assert all(len(line) == len(line.rstrip()) for line in text.splitlines())
    if row == "l4":
        assert "- (no answer has a second token)" in text
        assert "- (no limit given)" in text
    else:
        assert "- (the row states no power limit)" in text


def test_figures_that_are_unknown_are_null_with_the_reason(figures):
    found = figures("--output-tokens", 1, row="a100_20gb")
    assert found["unknown"] == {
        "goodput": "no limit given",
        "busy_energy_upper_bound_j": "the row states no power limit",
        "inter_token_latency_s": "no answer has a second token",
    }
    assert found["busy_energy_upper_bound_j"] is None
    assert set(found["inter_token_latency_s"].values()) == {None}


def test_load_and_settings_reach_the_engine(figures):
    assert figures("--shared-prefix", 256)["cached_tokens"] > 0
    assert figures("--shared-prefix", 256, "--no-prefix-caching")["cached_tokens"] == 0
    assert figures("--max-seqs", 4)["mean_running"] <= 4
    assert figures("--threads", 1)["mean_running"] == 1
    assert figures("--ttft-limit-s", 1e-6)["goodput"]["share"] == 0.0
    assert figures("--itl-limit-s", 10)["goodput"]["share"] == 1.0
    sequential, static = figures("--engine", "sequential"), figures("--engine", "static")
    assert sequential["mean_running"] == 1
    assert sequential["output_tokens_per_s"] < static["output_tokens_per_s"]


def test_a_poisson_load_is_the_librarys(figures):
    requests = poisson_requests(5.0, 300, 20, 40, seed=7)
    outcome = outcome_of(requests, serve(documented(QWEN, "bf16", ROWS["l4"]), requests))
    found = figures("--rate", 5, "--seed", 7)
    assert found["time_to_first_token_s"]["p90"] == outcome.time_to_first_token_s.p90


def test_a_shape_may_be_a_file_and_a_load_a_trace(predict, tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("arrived_s,prompt_tokens,output_tokens\n0,100,10\n0.5,200,1\n")
    folder = ROOT / "fixtures/shapes/qwen3-4b"
    for shape in (folder, folder / "config.json"):
        code, found, _ = predict("serving", shape, "--row", "l4", "--trace", trace, "--json")
        assert code == 0
        assert found["rows"][0]["figures"]["requests"] == 2
        assert found["load"] == {"trace": str(trace), "requests": 2}


def test_max_model_len_is_at_most_the_models_context(predict):
    code, found, _ = predict("serving", "phi-2", "--row", "l4", *SMALL, "--json")
    assert code == 0
    assert found["rows"][0]["settings"]["max_model_len"] == find_model("phi-2").context_tokens == 2048


def test_constants_of_a_file_are_used_and_named(predict, tmp_path):
    shipped = json.loads((ROOT / "harness/costmodel/constants.json").read_text())
    shipped["families"]["Ada Lovelace GDDR"]["bandwidth"] = 0.4
    del shipped["errors"]["fitted"]
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps(shipped))
    asked = ("serving", "qwen3-4b", "--row", "l4", *SMALL)
    code, found, _ = predict(*asked, "--constants", slow, "--json")
    assert code == 0
    assert found["provenance"]["modelled"] not in ("", load_constants().version)
    assert found["rows"][0]["constants"]["expected_error"]["median"] is None
    _, faster, _ = predict(*asked, "--json")
    assert found["rows"][0]["figures"]["end_s"] > 1.5 * faster["rows"][0]["figures"]["end_s"]
    assert "error unknown" in predict(*asked, "--constants", slow)[1]


def test_csv_has_a_line_for_each_row(predict, tmp_path):
    path = tmp_path / "rows.csv"
    asked = ("serving", "llama-2-70b", "--weights", "int8", "--row", "l4", "h200", *SMALL, "--json")
    code, found, _ = predict(*asked, "--csv", path)
    assert code == 0
    with path.open(newline="") as file:
        refused, served = csv.DictReader(file)
    assert (refused["row"], refused["fits"], refused["output_tokens_per_s"]) == ("l4", "False", "")
    assert "does not fit" in refused["reason"]
    figures = found["rows"][1]["figures"]
    assert float(served["time_to_first_token_s_p99"]) == figures["time_to_first_token_s"]["p99"]
    assert served["goodput_share"] == ""
    assert served["constants"] == load_constants().version
    code, _, err = predict(*asked, "--csv", tmp_path / "no" / "rows.csv")
    assert code == 4
    assert "cannot be written" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing-like-it",), "there is no model"),
        (("missing.json",), "missing.json"),
        (("docs",), "there is no model"),
        (("qwen3-4b", "--row", "l5"), "l5"),
        (("qwen3-4b", "--row", "cpu"), "harness predict calibrate"),
        (("qwen3-4b", "--weights", "fp7"), "fp7"),
        (("qwen3-4b", "--rate", "-1"), "--rate: is -1.0"),
        (("qwen3-4b", "--rate", "nan"), "--rate"),
        (("qwen3-4b", "--rate", "1e-320"), "--rate"),
        (("qwen3-4b", "--rate", "1", "--threads", "2"), "not allowed with"),
        (("qwen3-4b", "--trace", "no.csv", "--threads", "2"), "not allowed with"),
        (("qwen3-4b", "--trace", "no.csv", "--requests", "2"), "--trace and --requests exclude"),
        (("qwen3-4b", "--trace", "no.csv", "--seed", "0"), "--trace and --seed exclude"),
        (("qwen3-4b", "--trace", "no.csv"), "no.csv"),
        (("qwen3-4b", "--seed", "1"), "--seed makes sense with --rate"),
        (("qwen3-4b", "--requests", "0"), "--requests: is 0"),
        (("qwen3-4b", "--requests", "many"), "--requests"),
        (("qwen3-4b", "--threads", "0"), "--threads: is 0"),
        (("qwen3-4b", "--shared-prefix", "5000"), "--shared-prefix"),
        (("qwen3-4b", "--max-seqs", "0"), "--max-seqs"),
        (("qwen3-4b", "--max-seqs", "60000"), "at least one token for each"),
        (("qwen3-4b", "--max-model-len", "1000000"), "--max-model-len"),
        (("qwen3-4b", "--tensor-parallel", "3", "--row", "l4"), "cannot be split over 3"),
        (("qwen3-4b", "--ttft-limit-s", "0"), "--ttft-limit-s"),
        (("qwen3-4b", "--itl-limit-s", "nan"), "--itl-limit-s"),
        (("qwen3-4b", "--gpu-memory-utilization", "2"), "gpu_memory_utilization"),
        (("qwen3-4b", "--batch", "4"), "--batch"),
        (("qwen3-4b", "--engine", "static", "--batch", "0"), "--batch"),
        (("qwen3-4b", "--constants", "no.json"), "no.json"),
        (("qwen3-4b", "--constants", "hardware_matrix.toml"), "is no set of constants"),
        (("qwen3-4b", "--matrix", "no.toml"), "no.toml"),
        ((), "MODEL"),
    ],
)
def test_a_mistake_is_one_line_and_exit_4(predict, words, said):
    code, out, err = predict("serving", *words)
    assert (code, out) == (4, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_bad_trace_is_named(predict, tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("arrived_s,prompt_tokens,output_tokens\n0,100,none\n")
    code, _, err = predict("serving", "qwen3-4b", "--trace", trace)
    assert code == 4
    assert f"{trace}: row 0 has as output_tokens" in err
