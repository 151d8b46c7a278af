"""The engine's loop against a stand-in for vLLM; test_vllm_cpu.py runs the real one."""

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fake_vllm
import numpy as np
import pytest
from fake_vllm import ENGINES, EngineDeadError, LLMEngine

from harness.engines import vllm, vllm_errors, vllm_jobs
from harness.engines.protocol import EngineFailure, Message, Request, Sampling, generate, stream
from harness.engines.vllm_settings import VllmSettings, cpu_settings
from harness.errors import HarnessError


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    fake_vllm.install(monkeypatch)
    (tmp_path / "config.json").write_text("{}")
    return str(tmp_path)


@pytest.fixture
def engine(model: str) -> Iterator[vllm.Vllm]:
    engine = vllm.load(VllmSettings(model, max_model_len=64, max_num_seqs=4))
    yield engine
    engine.close()


@pytest.fixture
def patient(model: str) -> Iterator[vllm.Vllm]:
    """One whose requests do not end by themselves in the length of a test."""
    engine = vllm.load(VllmSettings(model, max_model_len=10**9))
    yield engine
    engine.close()


def core() -> LLMEngine:
    return ENGINES[-1]


def endless(prompt: str = "a", **sampling: object) -> Request:
    return Request(prompt, Sampling(ignore_eos=True, **sampling))  # type: ignore[arg-type]


def test_a_completion_has_the_tokens_their_text_and_counts(engine: vllm.Vllm) -> None:
    done = generate(engine, [Request("abc", Sampling(max_tokens=3))])[0]
    assert (done.text, done.token_ids, done.finish_reason) == ("def", (100, 101, 102), "length")
    assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (3, 3, 2)
    assert 0 <= done.timings.time_to_first_token_s <= done.timings.total_s


def test_the_end_of_text_stops_it(engine: vllm.Vllm) -> None:
    done = generate(engine, [Request((fake_vllm.END - 2,), Sampling(max_tokens=9))])[0]
    assert (done.token_ids, done.finish_reason) == ((fake_vllm.END - 1,), "stop")
    assert done.completion_tokens == engine.statistics.completion_tokens == 1


@pytest.mark.parametrize(
    ("finish", "stop", "kept"),
    [
        (None, None, (7, 8)),
        ("length", None, (7, 8)),
        ("stop", None, (7,)),
        ("stop", 8, (7,)),
        ("stop", "x", (7, 8)),
    ],
)
def test_only_a_token_that_ends_the_answer_is_no_part_of_it(
    finish: str | None, stop: int | str | None, kept: tuple[int, ...]
) -> None:
    made = fake_vllm.CompletionOutput(0, "", [7, 8], None, None, finish, stop)
    assert tuple(vllm_jobs.answer_ids(made)) == kept


def test_requests_run_together_up_to_the_limit_and_come_back_in_order(engine: vllm.Vllm) -> None:
    done = generate(engine, [endless(chr(97 + i), max_tokens=1 + i % 3) for i in range(12)])
    assert [one.text for one in done] == [
        "".join(chr(98 + i + step) for step in range(1 + i % 3)) for i in range(12)
    ]
    counted = engine.statistics
    assert (counted.requests, counted.prompt_tokens, counted.completion_tokens) == (12, 12, 24)
    assert counted.cached_tokens == 24
    assert counted.steps < 24
    assert counted.most_at_once > 1


def test_pieces_come_one_by_one_and_leaving_early_aborts(patient: vllm.Vllm) -> None:
    assert [piece.text for piece in stream(patient, endless(max_tokens=4))] == ["b", "c", "d", "e"]
    pieces = stream(patient, endless(max_tokens=10**9))
    next(pieces)
    pieces.close()
    generate(patient, [endless(max_tokens=1)])
    assert core().aborted == ["1"]


def test_a_cancelled_request_keeps_what_it_made(patient: vllm.Vllm) -> None:
    ticket = patient.submit(endless(max_tokens=10**9))
    assert next(ticket.pieces()).text == "b"
    ticket.cancel()
    done = ticket.result()
    assert done.finish_reason == "cancelled"
    assert done.token_ids[:2] == (98, 99)[: len(done.token_ids)]
    assert len(done.token_ids) == done.completion_tokens


def test_a_request_out_of_time_ends_before_it_steps(engine: vllm.Vllm) -> None:
    done = engine.submit(replace(endless(max_tokens=60), timeout_s=0.0)).result()
    assert (done.finish_reason, done.token_ids) == ("timeout", ())
    assert core().aborted == ["0"]
    assert generate(engine, [endless(max_tokens=1)])[0].text == "b"


def test_the_sampling_arrives_as_vllm_names_it(engine: vllm.Vllm) -> None:
    drawn = Sampling(5, temperature=0.7, top_p=0.8, top_k=20, min_p=0.1, seed=3, stop=("x",), ignore_eos=True)
    ruled = Sampling(5, grammar='root ::= "b"', seed=3)
    formed = Sampling(100, schema={"type": "object"})
    generate(engine, [Request("a", one) for one in (drawn, ruled, formed)])
    first, second, third = (params for _, params in core().added)
    assert (first.max_tokens, first.temperature, first.top_p, first.top_k) == (5, 0.7, 0.8, 20)
    assert (first.min_p, first.seed, first.stop, first.ignore_eos) == (0.1, 3, ["x"], True)
    assert first.output_kind is fake_vllm.RequestOutputKind.DELTA
    assert first.structured_outputs is None
    assert second.structured_outputs == fake_vllm.StructuredOutputsParams(grammar='root ::= "b"')
    assert second.seed is None, "greedy needs no generator"
    assert third.structured_outputs == fake_vllm.StructuredOutputsParams(json={"type": "object"})
    assert third.max_tokens == 63, "what the context leaves beside one prompt token"


def test_a_chat_is_rendered_with_the_models_template(engine: vllm.Vllm) -> None:
    chat = (Message("system", "S"), Message("user", "U"))
    done = generate(engine, [Request(chat, Sampling(max_tokens=1))])[0]
    assert done.prompt_tokens == len("<system>S<user>U")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(""), "the prompt is empty"),
        (Request("a" * 64), "the prompt has 64 tokens, the context 64 with the answer; shorten"),
        (Request("a", Sampling(temperature=-1.0)), "vLLM refuses the sampling: temperature must be"),
        (Request("a", Sampling(schema={}, grammar="g")), "a schema or a grammar, not both"),
        (Request((fake_vllm.VOCABULARY,)), "vLLM refuses the request: Token id is out of vocabulary"),
    ],
)
def test_what_can_never_be_served_is_one_clear_error(engine: vllm.Vllm, request_: Request, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        engine.submit(request_).result()
    assert generate(engine, [endless(max_tokens=1)])[0].text == "b", "the others go on"


def test_a_model_without_a_chat_template(engine: vllm.Vllm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_vllm.Tokenizer, "chat_template", None)
    with pytest.raises(HarnessError, match="the model has no chat template; give the prompt as text"):
        engine.submit(Request((Message("user", "U"),)))


def test_a_dead_engine_fails_open_requests_and_the_next_ones(engine: vllm.Vllm) -> None:
    core().dies_after_steps = 3
    tickets = [engine.submit(endless(max_tokens=60)) for _ in range(3)]
    for ticket in tickets:
        with pytest.raises(EngineFailure, match=r"vLLM's engine died: its process ended without a word"):
            ticket.result()
    with pytest.raises(EngineFailure, match="died"):
        engine.submit(endless())


def test_an_end_of_vllms_own_making_is_a_failure_that_may_be_tried_again(engine: vllm.Vllm) -> None:
    core().odd_finish_reason = "error"
    with pytest.raises(EngineFailure, match="vLLM ended the request with 'error'") as failed:
        engine.submit(endless(max_tokens=2)).result()
    assert failed.value.retryable


def test_a_killed_engine_fails_what_waits_for_it(engine: vllm.Vllm) -> None:
    core().killed = True
    with pytest.raises(EngineFailure, match="died"):
        engine.submit(endless()).result()


def test_closing_fails_open_requests_and_may_be_done_twice(patient: vllm.Vllm) -> None:
    ticket = patient.submit(endless(max_tokens=10**9))
    next(ticket.pieces())
    patient.close()
    patient.close()
    with pytest.raises(EngineFailure, match="the engine was closed"):
        ticket.result()
    with pytest.raises(EngineFailure, match="closed"):
        patient.submit(endless())
    assert core().shut_down == 2


@pytest.mark.parametrize("tokens", [[5], [0, 298], [7, 7, 200, 3]])
def test_logits_are_put_in_the_order_of_the_vocabulary(engine: vllm.Vllm, tokens: list[int]) -> None:
    passed = engine.forward(tokens, frozenset({"logits"}))
    expected = [[fake_vllm.score(after, token) for token in range(fake_vllm.VOCABULARY)] for after in tokens]
    assert passed.tokens == len(tokens)
    assert passed.logits.dtype == np.float32
    np.testing.assert_array_equal(passed.logits, np.array(expected, dtype=np.float32))


def test_logits_that_are_not_all_there_are_a_failure() -> None:
    scores, made = fake_vllm.FlatLogprobs(), fake_vllm.FlatLogprobs()
    scores.add(None, None)
    made.add(5, 6)
    made.token_ids[3] = made.token_ids[2]
    answer = fake_vllm.CompletionOutput(0, "", [6], None, made)
    output = fake_vllm.RequestOutput("0", None, [5], scores, [answer], True)
    with pytest.raises(EngineFailure, match="did not hand over the logits of the whole vocabulary"):
        vllm_jobs.logits(output, fake_vllm.VOCABULARY)


def test_a_pass_it_cannot_make_is_refused(engine: vllm.Vllm, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HarnessError, match="no attention_rows from vLLM: vLLM's attention kernels never"):
        engine.forward([1], frozenset({"logits", "attention_rows"}))
    with pytest.raises(HarnessError, match=r"64 tokens cannot be scored in one pass \(allowed: 1 to 63\)"):
        engine.forward([1] * 64, frozenset({"logits"}))
    monkeypatch.setattr(vllm, "MOST_LOGITS", 3 * fake_vllm.VOCABULARY)
    with pytest.raises(HarnessError, match="allowed: 1 to 3"):
        engine.forward([1] * 4, frozenset({"logits"}))


def test_what_its_settings_switch_off_it_lacks(model: str) -> None:
    engine = vllm.load(VllmSettings(model, prefix_caching=False, max_num_seqs=1))
    assert set(engine.lacks) == {"hidden_states", "attention_rows", "prefix_cache", "parallel"}
    assert engine.context_tokens == 4096
    engine.close()


@pytest.mark.parametrize(
    ("package", "called"),
    [
        ("vllm", "vLLM 0.32.0"),
        ("vllm-cpu", "vllm-cpu (third-party CPU build, not affiliated with the vLLM project) 0.32.0"),
    ],
)
def test_the_third_party_build_is_named_as_such(
    package: str, called: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"vllm": [package]})
    engine = vllm.load(VllmSettings(model, max_num_seqs=4))
    assert engine.name == f"{called}, continuous batching of at most 4 sequences"
    engine.close()


def test_variables_last_as_long_as_the_start(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("VLLM_CPU_OMP_THREADS_BIND", raising=False)
    monkeypatch.setattr(LLMEngine, "__init__", lambda *_: seen.update(os.environ) or None)
    monkeypatch.setattr(vllm, "Vllm", lambda *_: None)
    vllm.load(cpu_settings(model, threads=2))
    assert (seen["OMP_NUM_THREADS"], seen["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "nobind")
    assert Path(seen["VLLM_LOGGING_CONFIG_PATH"]).exists()
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "VLLM_CPU_OMP_THREADS_BIND" not in os.environ
    assert "VLLM_LOGGING_CONFIG_PATH" not in os.environ


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(HarnessError, match="vLLM is not installed; make install EXTRA=gpu"):
        vllm.load(VllmSettings("m"))


@pytest.mark.parametrize("missing", ["nowhere", "./no/where", "/no/where"])
def test_a_model_folder_that_is_not_there(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vllm.install(monkeypatch)
    with pytest.raises(HarnessError, match=f"{missing}: there is no such model folder"):
        vllm.load(VllmSettings(missing))


def test_a_folder_without_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vllm.install(monkeypatch)
    with pytest.raises(HarnessError, match=r"is no model folder: it has no config\.json"):
        vllm.load(VllmSettings(str(tmp_path)))


UNKNOWN = """1 validation error for ModelConfig
  Value error, Model architectures ['MysteryForCausalLM'] are not supported for now. [type=value_error]
    For further information visit the documentation"""
NO_GPU_MEMORY = """ERROR WorkerProc failed to start.
Traceback (most recent call last):
  File "worker.py", line 1, in load
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
ERROR EngineCore failed to start.
Traceback (most recent call last):
  File "core.py", line 2, in __init__
Exception: WorkerProc initialization failed due to an exception in a background process."""
IN_A_PROCESS = RuntimeError(
    "Engine core initialization failed. See root cause above. Failed core proc(s): {}"
)


@pytest.mark.parametrize(
    ("raised", "log", "kind", "said"),
    [
        (
            ValueError(UNKNOWN),
            "",
            HarnessError,
            r"^m: vLLM does not support its architecture: .*'MysteryForCausalLM'\] are not supported for now",
        ),
        (
            IN_A_PROCESS,
            NO_GPU_MEMORY,
            HarnessError,
            r"^m: vLLM does not get enough memory: torch\.OutOfMemoryError: CUDA out .*; lower max_model_len",
        ),
        (
            ValueError("max_model_len (9) is greater than the derived max_model_len (4)"),
            "",
            HarnessError,
            r"^m: vLLM refuses the model or its settings: max_model_len \(9\)",
        ),
        (
            ModuleNotFoundError("no torch"),
            "",
            HarnessError,
            "^vLLM cannot be imported: no torch; make install",
        ),
        (
            IN_A_PROCESS,
            "WARNING slow\nERROR Worker proc 0 died unexpectedly",
            EngineFailure,
            "^vLLM did not start with m: Worker proc 0 died unexpectedly",
        ),
        (IN_A_PROCESS, "", EngineFailure, "^vLLM did not start with m: Engine core initialization failed"),
    ],
)
def test_why_it_did_not_start(raised: Exception, log: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as failed:
        raise vllm_errors.at_start("m", raised, log)
    assert "\n" not in str(failed.value)


def test_a_failing_start_is_told_from_the_log(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        log = Path(os.environ["VLLM_LOGGING_CONFIG_PATH"]).with_name("vllm.log")
        with log.open("a") as file:
            file.write(NO_GPU_MEMORY)
        raise IN_A_PROCESS

    monkeypatch.setattr(LLMEngine, "__init__", fail)
    for _ in range(2):
        with pytest.raises(HarnessError, match="CUDA out of memory"):
            vllm.load(VllmSettings(model))
    assert vllm_errors.open_log().text() == "", "the next engine does not read the last one's end"


def test_a_users_own_logging_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_LOGGING_CONFIG_PATH", "mine.json")
    log = vllm_errors.open_log()
    assert (log.variables, log.text()) == ({}, "")


def test_a_long_reason_is_cut() -> None:
    assert len(str(vllm_errors.at_work(EngineDeadError(), "ERROR " + "x" * 5000))) < 450
