"""The llama.cpp engine on small random models: real files, a real worker process, real batches."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import jsonschema
import numpy as np
import pytest

from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.llama_process import explain_exit
from harness.engines.protocol import (
    Completion,
    EngineFailure,
    Message,
    Request,
    Sampling,
    agenerate,
    astream,
    generate,
    stream,
)
from harness.errors import HarnessError

PROMPTS = [
    "In the morning Marta met the people of Oslo.",
    "Nothing",
    "The firm wrote to us on Monday. " * 6,
    "1, 2, 3, 4, 5, 6, 7",
    "Where is the harbour, and who owns it?",
    "é ü ß",
    "a",
    "One two one two one two one two one two one two one two one two.",
]
SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["person", "place"]},
        "names": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-zé ]{1,4}$"},
            "minItems": 1,
            "maxItems": 2,
        },
        "sure": {"type": "boolean"},
    },
    "required": ["kind", "names", "sure"],
    "additionalProperties": False,
}
LONG = Sampling(max_tokens=1500, ignore_eos=True)


@pytest.fixture(scope="module")
def engine(tiny_gguf: Path) -> Iterator[LlamaCppEngine]:
    with LlamaCppEngine(tiny_gguf, parallel=4, threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def single(tiny_gguf: Path) -> Iterator[LlamaCppEngine]:
    with LlamaCppEngine(tiny_gguf, parallel=1, threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def tiny_f32(tiny_model: Path) -> Path:
    from harness.models.checkpoint import read_checkpoint
    from harness.models.gguf.export import export_gguf

    return export_gguf(read_checkpoint(tiny_model), tiny_model.parent / "tiny-f32.gguf", "f32")


@pytest.fixture(scope="module")
def reference(tiny_f32: Path) -> Iterator[LlamaCppEngine]:
    with LlamaCppEngine(tiny_f32, parallel=8, threads=1, prefix_cache=False) as opened:
        yield opened


def greedy(max_tokens: int = 24) -> list[Request]:
    return [Request(prompt, Sampling(max_tokens=max_tokens, ignore_eos=True)) for prompt in PROMPTS]


def assert_same_or_tied(
    engine: LlamaCppEngine, prompt: str, ours: tuple[int, ...], others: tuple[int, ...], tie: float
) -> None:
    """Equal tokens; or where they part, logits that are `tie` apart at most, which rounding may swap."""
    assert len(ours) == len(others)
    split = next((i for i, (a, b) in enumerate(zip(ours, others, strict=True)) if a != b), None)
    if split is None:
        return
    tokens = [*engine.tokenize(prompt), *ours[:split]]
    last = engine.forward(tokens, frozenset({"logits"})).logits[-1]
    assert abs(last[ours[split]] - last[others[split]]) <= tie


# what comes out


@pytest.mark.parametrize(("opened", "tie"), [("reference", 1e-3), ("engine", 0.05)])
def test_greedy_tokens_do_not_depend_on_the_batch(
    request: pytest.FixtureRequest, opened: str, tie: float
) -> None:
    engine = request.getfixturevalue(opened)
    one_by_one = [generate(engine, [wanted])[0] for wanted in greedy()]
    together = generate(engine, greedy())
    for prompt, ours, others in zip(PROMPTS, one_by_one, together, strict=True):
        assert_same_or_tied(engine, prompt, ours.token_ids, others.token_ids, tie)


def test_greedy_tokens_and_logits_are_those_of_transformers(
    reference: LlamaCppEngine, tiny_model: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    for prompt, completion in zip(PROMPTS[:4], generate(reference, greedy(16)[:4]), strict=True):
        ids = reference.tokenize(prompt)
        with torch.no_grad():
            theirs = model.generate(
                torch.tensor([ids]), max_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0
            )[0, len(ids) :].tolist()
            logits = model(torch.tensor([[*ids, *theirs]])).logits[0].numpy()
        assert_same_or_tied(reference, prompt, completion.token_ids, tuple(theirs), 1e-3)
        ours = reference.forward([*ids, *theirs], frozenset({"logits"}))
        assert ours.tokens == len(ids) + 16
        assert ours.logits.dtype == np.float32
        np.testing.assert_allclose(ours.logits, logits, atol=1e-3)


def test_a_quantized_model_runs(tiny_q4: Path) -> None:
    with LlamaCppEngine(tiny_q4, parallel=3, threads=1) as quantized:
        completions = generate(quantized, greedy(8))
        assert [completion.completion_tokens for completion in completions] == [8] * len(PROMPTS)
        assert np.isfinite(quantized.forward([1, 2, 3], frozenset({"logits"})).logits).all()


def test_a_prefix_from_the_cache_changes_no_token(reference: LlamaCppEngine, tiny_f32: Path) -> None:
    head = "The passage that every question is about. " * 5
    wanted = [Request(head + tail, Sampling(max_tokens=16, ignore_eos=True)) for tail in PROMPTS]
    plain = generate(reference, wanted)
    with LlamaCppEngine(tiny_f32, parallel=3, threads=1) as caching:
        cached = generate(caching, wanted)
        again = generate(caching, wanted[-1:])[0]
        for request, ours, others in zip(wanted, plain, cached, strict=True):
            assert isinstance(request.prompt, str)
            assert_same_or_tied(reference, request.prompt, ours.token_ids, others.token_ids, 1e-3)
        head_tokens = len(caching.tokenize(head))
        assert [completion.cached_tokens >= head_tokens - 2 for completion in cached] == [False] + [True] * 7
        assert again.cached_tokens == again.prompt_tokens - 1
    assert all(completion.cached_tokens == 0 for completion in plain)
    assert "prefix_cache" in reference.lacks


def test_a_static_batch_holds_all_that_are_asked_for_at_once(tiny_gguf: Path) -> None:
    with LlamaCppEngine(tiny_gguf, parallel=3, threads=1, batching="static") as static:
        tickets = [
            static.submit(Request(prompt, Sampling(max_tokens=tokens, ignore_eos=True)))
            for prompt, tokens in zip(PROMPTS, (2, 9, 30), strict=False)
        ]
        ends = [ticket.submitted + ticket.result().timings.total_s for ticket in tickets]
    firsts = [ticket.submitted + ticket.result().timings.time_to_first_token_s for ticket in tickets]
    assert max(firsts) <= min(ends)


def test_static_batches_give_the_same_tokens(reference: LlamaCppEngine, tiny_f32: Path) -> None:
    continuous = generate(reference, greedy(12))
    with LlamaCppEngine(tiny_f32, parallel=3, threads=1, batching="static") as static:
        assert "static batching of 3" in static.name
        for prompt, ours, others in zip(PROMPTS, continuous, generate(static, greedy(12)), strict=True):
            assert_same_or_tied(reference, prompt, ours.token_ids, others.token_ids, 1e-3)


def test_pieces_are_the_text_and_its_tokens(reference: LlamaCppEngine) -> None:
    for request in greedy(40):
        pieces = list(stream(reference, request))
        (completion,) = generate(reference, [request])
        assert "".join(piece.text for piece in pieces) == completion.text
        assert tuple(token for piece in pieces for token in piece.token_ids) == completion.token_ids
        assert completion.timings.time_to_first_token_s <= completion.timings.total_s


def test_async_callers_get_the_same(reference: LlamaCppEngine) -> None:
    async def both() -> tuple[list[Completion], str]:
        completions = await agenerate(reference, greedy(10)[:3])
        return completions, "".join([piece.text async for piece in astream(reference, greedy(10)[0])])

    completions, text = asyncio.run(both())
    assert text == completions[0].text


def test_a_chat_is_rendered_by_the_models_template(reference: LlamaCppEngine) -> None:
    chat = (Message("system", "Be brief."), Message("user", "Who is Marta?"))
    rendered = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho is Marta?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    sampling = Sampling(max_tokens=8)
    tokens = tuple(reference.tokenize(rendered))
    by_chat, by_text, by_tokens = generate(
        reference, [Request(prompt, sampling) for prompt in (chat, rendered, tokens)]
    )
    assert by_chat.prompt_tokens == by_text.prompt_tokens == by_tokens.prompt_tokens == len(tokens)
    assert by_chat.text == by_text.text == by_tokens.text


def test_a_seed_gives_its_tokens_again_in_any_company(reference: LlamaCppEngine) -> None:
    def request(seed: int) -> Request:
        return Request("Once", Sampling(max_tokens=20, temperature=0.9, top_k=50, top_p=0.95, seed=seed))

    alone = generate(reference, [request(7)])[0]
    together = generate(reference, [request(1), request(7), *greedy(20)[:2], request(-1)])
    assert together[1].token_ids == alone.token_ids
    assert together[0].token_ids != alone.token_ids


def test_top_k_of_one_is_greedy(reference: LlamaCppEngine) -> None:
    best, hot = generate(
        reference,
        [
            Request("Twice", Sampling(max_tokens=12, ignore_eos=True)),
            Request("Twice", Sampling(max_tokens=12, ignore_eos=True, temperature=2.0, top_k=1, seed=3)),
        ],
    )
    assert best.token_ids == hot.token_ids


def test_a_stop_string_across_pieces_ends_the_text_before_it(reference: LlamaCppEngine) -> None:
    request = Request(PROMPTS[0], Sampling(max_tokens=40, ignore_eos=True))
    (whole,) = generate(reference, [request])
    pieces = [piece.text for piece in stream(reference, request)]
    middle = len("".join(pieces[:10]))
    stop = whole.text[middle - 1 : middle + 2]
    (cut,) = generate(
        reference, [Request(PROMPTS[0], Sampling(max_tokens=40, ignore_eos=True, stop=("never\x00", stop)))]
    )
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.completion_tokens < 40


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_under_a_schema_fits_it(engine: LlamaCppEngine, temperature: float) -> None:
    requests = [
        Request(
            prompt,
            Sampling(max_tokens=200, schema=MappingProxyType(SCHEMA), temperature=temperature, seed=seed),
        )
        for seed, prompt in enumerate(PROMPTS)
    ]
    for completion in generate(engine, requests):
        assert completion.finish_reason == "stop"
        jsonschema.validate(json.loads(completion.text), SCHEMA)


def test_an_answer_under_a_schema_may_be_cut(engine: LlamaCppEngine) -> None:
    (completion,) = generate(engine, [Request("x", Sampling(max_tokens=5, schema=SCHEMA))])
    assert completion.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(completion.text)


def test_an_answer_under_a_grammar_fits_it(engine: LlamaCppEngine) -> None:
    (completion,) = generate(
        engine, [Request("x", Sampling(max_tokens=20, grammar='root ::= ("yes" | "no") "!"'))]
    )
    assert completion.text in ("yes!", "no!")


# how requests share the engine


def test_more_requests_than_sequences_all_finish(engine: LlamaCppEngine) -> None:
    wanted = [
        Request(f"Request {number}", Sampling(max_tokens=3 + number % 7, ignore_eos=True))
        for number in range(20)
    ]
    completions = generate(engine, wanted)
    assert [c.completion_tokens for c in completions] == [r.sampling.max_tokens for r in wanted]


def test_a_cancelled_request_frees_its_sequence(single: LlamaCppEngine) -> None:
    running, queued = single.submit(Request("first", LONG)), single.submit(Request("second", LONG))
    next(iter(running.pieces()))
    queued.cancel()
    assert queued.result().finish_reason == "cancelled"
    assert queued.result().completion_tokens == 0
    running.cancel()
    assert running.result().finish_reason == "cancelled"
    assert 0 < running.result().completion_tokens < LONG.max_tokens
    (after,) = generate(single, [Request("third", Sampling(max_tokens=3, ignore_eos=True))])
    assert after.completion_tokens == 3


def test_a_time_out_before_the_worker_knows_the_request_is_not_lost(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(request: Request) -> dict[str, object]:
        time.sleep(0.1)
        return {"text": str(request.prompt)}

    running = engine.submit(Request("one", LONG))
    monkeypatch.setattr("harness.engines.llama_cpp.prompt_fields", slow)
    late = engine.submit(Request("two", LONG, timeout_s=0.0)).result()
    running.cancel()
    running.result()
    assert late.finish_reason == "timeout"


def test_a_time_out_ends_with_what_there_is(engine: LlamaCppEngine) -> None:
    ticket = engine.submit(Request("slow", LONG, timeout_s=0.05))
    completion = ticket.result()
    assert completion.finish_reason == "timeout"
    assert completion.completion_tokens < LONG.max_tokens
    assert 0.05 <= completion.timings.total_s < 5


def test_a_pass_over_tokens_waits_for_a_sequence_and_disturbs_nobody(single: LlamaCppEngine) -> None:
    alone = generate(single, greedy(60)[:1])[0]
    ticket = single.submit(greedy(60)[0])
    logits = single.forward([1, 2, 3], frozenset({"logits"})).logits
    assert_same_or_tied(single, PROMPTS[0], ticket.result().token_ids, alone.token_ids, 0.05)
    np.testing.assert_array_equal(logits, single.forward([1, 2, 3], frozenset({"logits"})).logits)


def test_one_sequence_is_not_parallel(single: LlamaCppEngine, engine: LlamaCppEngine) -> None:
    assert "parallel" in single.lacks
    assert "parallel" not in engine.lacks
    assert "one at a time" in single.name
    assert "continuous batching of 4" in engine.name


# what goes wrong


def test_a_killed_worker_fails_every_open_ticket_and_later_requests(tiny_gguf: Path) -> None:
    with LlamaCppEngine(tiny_gguf, parallel=2, threads=1) as doomed:
        tickets = [doomed.submit(Request("on and on", LONG)) for _ in range(5)]
        next(iter(tickets[0].pieces()))
        assert doomed.failure is None
        os.kill(doomed.worker_pid, signal.SIGILL)
        for ticket in tickets:
            with pytest.raises(EngineFailure, match=r"SIGILL \(exit 132\).*GGML_NATIVE=OFF"):
                ticket.result()
        assert "SIGILL" in str(doomed.failure)
        with pytest.raises(EngineFailure, match="SIGILL"):
            doomed.submit(Request("again"))
        with pytest.raises(EngineFailure, match="SIGILL"):
            doomed.tokenize("again")


def test_a_pass_over_tokens_fails_with_its_worker(tiny_gguf: Path) -> None:
    with LlamaCppEngine(tiny_gguf, parallel=1, threads=1) as doomed:
        doomed.submit(Request("on and on", LONG))
        os.kill(doomed.worker_pid, signal.SIGSTOP)
        killer = threading.Timer(0.1, os.kill, (doomed.worker_pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(EngineFailure, match="SIGKILL"):
            doomed.forward([1, 2, 3], frozenset({"logits"}))
        killer.join()


def test_closing_fails_open_tickets_and_may_be_done_twice(tiny_gguf: Path) -> None:
    engine = LlamaCppEngine(tiny_gguf, parallel=2, threads=1)
    tickets = [engine.submit(Request("on and on", LONG)) for _ in range(4)]
    next(iter(tickets[0].pieces()))
    engine.close()
    engine.close()
    for ticket in tickets:
        with pytest.raises(EngineFailure, match="closed"):
            ticket.result()
    with pytest.raises(EngineFailure, match="closed"):
        engine.submit(Request("again"))


def test_the_worker_ends_with_its_parent(tiny_gguf: Path) -> None:
    program = (
        "import sys, time\n"
        "from harness.engines.llama_cpp import LlamaCppEngine\n"
        f"engine = LlamaCppEngine({str(tiny_gguf)!r}, parallel=1, threads=1)\n"
        "print(engine.worker_pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.kill()
    until = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(worker)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


@pytest.mark.parametrize(
    ("sampling", "why"),
    [
        (Sampling(max_tokens=0), "max_tokens=0"),
        (Sampling(temperature=-1.0), "temperature=-1"),
        (Sampling(top_p=0.0), "top_p=0"),
        (Sampling(min_p=2.0), "min_p=2"),
        (Sampling(stop=("",)), "empty stop string"),
        (Sampling(schema=SCHEMA, grammar='root ::= "a"'), "at most one"),
        (Sampling(schema=SCHEMA, ignore_eos=True), "ignore_eos"),
        (Sampling(grammar="nonsense"), r"refuses the grammar: .*::="),
        (Sampling(grammar="root ::= missing"), r"refuses the grammar: .*missing"),
        (Sampling(schema={"type": "unheard of"}), "not a JSON schema"),
        (Sampling(schema={"type": "integer", "minimum": 3}), "minimum"),
        (Sampling(schema={"const": {1, 2}}), "not JSON|no grammar"),
        (Sampling(max_tokens=2048), r"2,?048 together|allowed: 2048 together"),
    ],
)
def test_a_request_that_can_never_be_served_is_refused(
    engine: LlamaCppEngine, sampling: Sampling, why: str
) -> None:
    with pytest.raises(HarnessError, match=why):
        engine.submit(Request("x", sampling))
    assert generate(engine, [Request("x", Sampling(max_tokens=1))])


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("", "empty"),
        ((), "empty"),
        ((1, 100_000), "no token 100000"),
        ((-1,), "no token -1"),
        ("\ud800", "Unicode"),
    ],
)
def test_a_prompt_that_is_none_is_refused(engine: LlamaCppEngine, prompt: str, why: str) -> None:
    with pytest.raises(HarnessError, match=why):
        engine.submit(Request(prompt))


def test_a_prompt_may_fill_the_context_and_not_a_token_more(engine: LlamaCppEngine) -> None:
    room = engine.context_tokens
    (full,) = generate(engine, [Request((5,) * (room - 2), Sampling(max_tokens=2, ignore_eos=True))])
    assert full.prompt_tokens + full.completion_tokens == room
    with pytest.raises(HarnessError, match=rf"has {room - 1} tokens, with max_tokens=2 .*allowed: {room}"):
        engine.submit(Request((5,) * (room - 1), Sampling(max_tokens=2)))


@pytest.mark.parametrize("wanted", ["hidden_states", "attention_rows"])
def test_what_llama_cpp_lacks_is_refused_with_the_reason(engine: LlamaCppEngine, wanted: str) -> None:
    with pytest.raises(HarnessError, match=engine.lacks[wanted]):
        engine.forward([1, 2], frozenset({wanted}))


@pytest.mark.parametrize("tokens", [[], [5] * 5000, [10**6], [-1]])
def test_a_pass_over_tokens_that_do_not_fit_is_refused(engine: LlamaCppEngine, tokens: list[int]) -> None:
    with pytest.raises(HarnessError, match="allowed"):
        engine.forward(tokens, frozenset({"logits"}))


def damaged(source: Path, folder: Path, how: str) -> Path:
    data = source.read_bytes()
    path = folder / f"{how}.gguf"
    changed = {
        "truncated": data[: len(data) // 2],
        "no gguf": b"hello, world" * 100,
        "another architecture": data.replace(b"qwen2", b"qwenX"),
    }
    path.write_bytes(changed[how])
    return path


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("truncated", "not within the file bounds"),
        ("no gguf", "magic"),
        ("another architecture", "unknown model architecture: 'qwenX'"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tiny_gguf: Path, tmp_path: Path, how: str, why: str) -> None:
    path = damaged(tiny_gguf, tmp_path, how)
    with pytest.raises(HarnessError, match=why) as caught:
        LlamaCppEngine(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"parallel": 0}, "parallel=0"),
        ({"parallel": 257}, "256"),
        ({"context_tokens": 0}, "context_tokens=0"),
        ({"context_tokens": 100_000}, "trained for"),
        ({"threads": 0}, "threads=0"),
        ({"batching": "none"}, "continuous, static"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tiny_gguf: Path, settings: dict[str, int], why: str) -> None:
    with pytest.raises(HarnessError, match=why):
        LlamaCppEngine(tiny_gguf, **settings)


def test_a_context_without_room_is_one_clear_error(tiny_gguf: Path) -> None:
    program = (
        "import resource\n"
        "from harness.engines.llama_cpp import LlamaCppEngine\n"
        "from harness.errors import HarnessError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "try:\n"
        f"    LlamaCppEngine({str(tiny_gguf)!r}, parallel=256, threads=1)\n"
        "except HarnessError as error:\n"
        "    print(error)\n"
    )
    # Each thread of a numeric library would take its share of the address space.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert "no room for a context of 256 x 2048 tokens (parallel x context_tokens)" in run.stdout
    assert "lower parallel or context_tokens" in run.stdout


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"gone\.gguf: there is no such model file"):
        LlamaCppEngine(tmp_path / "gone.gguf")


@pytest.mark.parametrize(
    ("code", "why"),
    [(-4, "SIGILL"), (132, "SIGILL"), (-9, "SIGKILL.*memory"), (139, "SIGSEGV"), (1, "exit code 1.*oops")],
)
def test_an_exit_code_is_explained(code: int, why: str) -> None:
    assert re.search(why, explain_exit(code, "oops"))
