"""`harness predict serving`: what a user asks and what comes back."""

from pathlib import Path

import pytest

from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented, serve
from harness.costmodel.simulation import ClosedLoop, outcome_of, requests_of
from harness.hardware import load_matrix

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--requests", 40, "--prompt-tokens", 300, "--output-tokens", 20)


def test_it_says_what_the_library_says(predict):
    code, found, _ = predict(
        "serving", "qwen3-4b", "--weights", "fp8", "--row", "l4", *SMALL, "--threads", 8, "--json"
    )
    assert code == 0
    serving = documented(find_model("qwen3-4b"), "fp8", load_matrix(ROOT / "hardware_matrix.toml").row("l4"))
    requests = requests_of(0.0, [300] * 40, 20)
    outcome = outcome_of(requests, serve(serving, requests, closed=ClosedLoop(8)))
    figures = found["rows"][0]["figures"]
    assert figures["output_tokens_per_s"] == outcome.output_tokens_per_s
    assert figures["end_to_end_s"]["p99"] == outcome.end_to_end_s.p99
    assert found["provenance"]["modelled"].startswith("roofline-")


def test_equal_questions_get_equal_bytes(predict):
    asked = ("serving", "qwen3-4b", "--row", "l4", "h100", *SMALL, "--rate", 5, "--seed", 3)
    assert predict(*asked) == predict(*asked)
    assert predict(*asked) != predict(*asked[:-1], 4)


def test_every_gpu_row_is_shown_unless_some_are_named(predict):
    rows = load_matrix(ROOT / "hardware_matrix.toml").rows
    code, found, _ = predict("serving", "qwen3-4b", *SMALL, "--json")
    assert code == 0
    assert [each["row"] for each in found["rows"]] == [
        name for name, row in rows.items() if row.kind == "cuda"
    ]


def test_a_row_where_it_does_not_fit_is_an_answer(predict):
    code, found, _ = predict(
        "serving", "llama-2-70b", "--row", "l4", "h200", "--weights", "int8", *SMALL, "--json"
    )
    assert code == 0
    assert [each["fits"] for each in found["rows"]] == [False, True]
    code, text, _ = predict("serving", "llama-2-70b", "--row", "l4", *SMALL)
    assert code == 3
    assert "does not fit" in text


@pytest.mark.parametrize("engine", ["continuous", "static", "sequential"])
def test_every_engine_prints_a_table_without_holes(predict, engine):
    code, text, _ = predict("serving", "qwen3-4b", "--row", "l4", *SMALL, "--engine", engine)
    assert code == 0
    assert "modelled, constants roofline-" in text
    assert "usd per million output tokens (0.8 usd/h, list" in text
    assert "nan" not in text.lower()


def test_sharing_a_prefix_and_settings_reach_the_engine(predict):
    def figures(*more):
        return predict("serving", "qwen3-4b", "--row", "l4", *SMALL, "--json", *more)[1]["rows"][0]["figures"]

    assert figures("--shared-prefix", 256)["cached_tokens"] > 0
    assert figures("--shared-prefix", 256, "--no-prefix-caching")["cached_tokens"] == 0
    assert figures("--max-seqs", 4)["mean_running"] <= 4
    assert figures("--max-model-len", 2048)["max_concurrency"] > figures()["max_concurrency"]
    assert figures("--ttft-limit-s", 1e-6)["goodput"]["share"] == 0.0


def test_a_shape_may_be_a_file_and_a_load_a_trace(predict, tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("arrived_s,prompt_tokens,output_tokens\n0,100,10\n0.5,200,1\n")
    shape = ROOT / "fixtures/shapes/qwen3-4b"
    code, found, _ = predict("serving", shape, "--row", "l4", "--trace", trace, "--json")
    assert code == 0
    assert found["rows"][0]["figures"]["requests"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing-like-it",), "there is no model"),
        (("missing.json",), "missing.json"),
        (("qwen3-4b", "--row", "l5"), "l5"),
        (("qwen3-4b", "--row", "cpu"), "harness predict calibrate"),
        (("qwen3-4b", "--weights", "fp7"), "fp7"),
        (("qwen3-4b", "--rate", "-1"), "requests/s"),
        (("qwen3-4b", "--rate", "1", "--threads", "2"), "not allowed with"),
        (("qwen3-4b", "--requests", "0"), "--requests: is 0"),
        (("qwen3-4b", "--threads", "0"), "--threads: is 0"),
        (("qwen3-4b", "--shared-prefix", "5000"), "--shared-prefix"),
        (("qwen3-4b", "--max-seqs", "0"), "--max-seqs"),
        (("qwen3-4b", "--ttft-limit-s", "0"), "--ttft-limit-s"),
        (("qwen3-4b", "--gpu-memory-utilization", "2"), "gpu_memory_utilization"),
        (("qwen3-4b", "--engine", "static", "--batch", "0"), "--batch"),
        (("qwen3-4b", "--trace", "no.csv"), "no.csv"),
        (("qwen3-4b", "--constants", "no.json"), "no.json"),
        (("qwen3-4b", "--matrix", "no.toml"), "no.toml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_4(predict, words, said):
    code, out, err = predict("serving", *words)
    assert (code, out) == (4, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
