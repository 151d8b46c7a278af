"""The transformers engine: every way of batching gives what plain generation gives, token by token."""

import json
import logging
import shutil
import time
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines import transformers as engine_module
from harness.engines.protocol import (
    Completion,
    EngineFailure,
    Message,
    Request,
    Sampling,
    Ticket,
    generate,
    stream,
)
from harness.engines.transformers import Transformers, TransformersSettings, load
from harness.engines.transformers_attention import NAME
from harness.engines.transformers_batching import Batching, Loaded, Work
from harness.engines.transformers_job import Detokenizer, Job, choose
from harness.engines.transformers_loading import Card, choose_attention, save_quantized
from harness.engines.transformers_padded import Padded, Sequential, chosen
from harness.engines.transformers_paged import Paged
from harness.engines.transformers_slots import Prefixes, Slots
from harness.errors import HarnessError

BATCHINGS = {
    "sequential": Sequential(),
    "padded": Padded(4),
    "slots": Slots(4, prompt_tokens=64),
    "paged": Paged(4, blocks=64, block_tokens=16, batch_tokens=64),
}
pytestmark = pytest.mark.filterwarnings(
    # bitsandbytes says that the CPU has no fast 4-bit kernel
    "ignore::UserWarning:bitsandbytes.*",
)


def start(model: Path, batching: Batching, **others: Any) -> Transformers:
    settings = {"precision": "float32", "device": "cpu", "threads": 1, **others}
    return load(TransformersSettings(model, batching, **settings))


@pytest.fixture(scope="module")
def engines(tiny_model: Path) -> Iterator[dict[str, Transformers]]:
    loaded = {name: start(tiny_model, batching) for name, batching in BATCHINGS.items()}
    yield loaded
    for engine in loaded.values():
        engine.close()


@pytest.fixture(scope="module")
def sequential(engines: dict[str, Transformers]) -> Transformers:
    return engines["sequential"]


@pytest.fixture(params=["sequential", "padded", "slots"])
def engine(request: pytest.FixtureRequest, engines: dict[str, Transformers]) -> Transformers:
    return engines[request.param]


def prompt(length: int, seed: int = 0) -> tuple[int, ...]:
    return tuple(int(token) for token in np.random.default_rng([seed, length]).integers(3, 380, length))


def requests(lengths: Sequence[int], **sampling: Any) -> list[Request]:
    return [Request(prompt(n), Sampling(**{"max_tokens": 6, "ignore_eos": True} | sampling)) for n in lengths]


def tokens(completions: Sequence[Completion]) -> list[tuple[int, ...]]:
    return [completion.token_ids for completion in completions]


LENGTHS = (5, 31, 12, 1, 18, 12, 40)


# what comes out


def test_one_at_a_time_is_what_the_library_generates(sequential: Transformers, tiny_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    for request in requests((7, 23)):
        ids = torch.tensor([request.prompt])
        with torch.no_grad():
            whole = model.generate(ids, do_sample=False, min_new_tokens=6, max_new_tokens=6, eos_token_id=-1)
        assert generate(sequential, [request])[0].token_ids == tuple(whole[0, ids.shape[1] :].tolist())


def test_a_padded_batch_holds_all_that_are_asked_for_at_once(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.gathering._QUIET_S", 30.0)
    with closing(start(tiny_model, Padded(3))) as engine:
        tickets = []
        for at, most in enumerate((2, 9, 30)):
            tickets.append(engine.submit(Request(prompt(8, at), Sampling(max_tokens=most, ignore_eos=True))))
            time.sleep(0.05)
        ends = [ticket.submitted + ticket.result().timings.total_s for ticket in tickets]
    firsts = [ticket.submitted + ticket.result().timings.time_to_first_token_s for ticket in tickets]
    assert max(firsts) <= min(ends)


@pytest.mark.parametrize("name", ["padded", "slots", "paged"])
def test_every_batching_gives_the_same_tokens(
    name: str, engines: dict[str, Transformers], sequential: Transformers
) -> None:
    found = generate(engines[name], requests(LENGTHS))
    assert tokens(found) == tokens(generate(sequential, requests(LENGTHS)))
    assert len({completion.token_ids for completion in found}) > 3
    for completion, length in zip(found, LENGTHS, strict=True):
        assert (completion.prompt_tokens, completion.completion_tokens) == (length, 6)
        assert completion.finish_reason == "length"
        assert 0 < completion.timings.time_to_first_token_s <= completion.timings.total_s


@pytest.mark.parametrize("name", ["slots", "paged"])
def test_who_comes_later_joins_what_runs(
    name: str, engines: dict[str, Transformers], sequential: Transformers
) -> None:
    engine = engines[name]
    long, late = requests((9,), max_tokens=400)[0], requests((30, 4))
    first = engine.submit(long)
    pieces = first.pieces()
    next(pieces)
    found = generate(engine, late)
    first.cancel()
    ended = first.result()
    assert ended.finish_reason == "cancelled"
    assert tokens(found) == tokens(generate(sequential, late))
    n = ended.completion_tokens
    assert 6 <= n < 400
    assert ended.token_ids == generate(sequential, requests((9,), max_tokens=n))[0].token_ids


def test_completions_of_unequal_length_leave_one_by_one(
    engine: Transformers, sequential: Transformers
) -> None:
    mixed = [requests((n,), max_tokens=made)[0] for n, made in ((8, 9), (20, 1), (3, 4), (15, 7), (6, 2))]
    assert tokens(generate(engine, mixed)) == [generate(sequential, [one])[0].token_ids for one in mixed]


def test_draws_depend_on_the_seed_alone(engine: Transformers, sequential: Transformers) -> None:
    hot = {"temperature": 1.5, "top_p": 0.95, "min_p": 0.001}
    alone = generate(sequential, requests((11,), seed=5, **hot))[0]
    again, other, *_ = generate(
        engine, [*requests((11,), seed=5, **hot), *requests((11,), seed=6, **hot), *requests((25, 2))]
    )
    assert again.token_ids == alone.token_ids
    assert other.token_ids != alone.token_ids


def test_end_of_text_ends_and_is_left_out(sequential: Transformers) -> None:
    made = generate(sequential, requests((14,), max_tokens=8))[0].token_ids
    end = made[4]
    cut = made[: made.index(end)]
    loaded = sequential._loaded
    job = Job(Ticket(requests((14,))[0]), prompt(14), 8, frozenset({end}), decoder(sequential), Work())
    for token in made:
        if not job.is_over:
            job.take(token)
    assert job.ticket.result().finish_reason == "stop"
    assert job.ticket.result().token_ids == cut
    assert sequential.tokenize("<|im_end|>")[0] in loaded.ends


def decoder(engine: Transformers) -> Detokenizer:
    return Detokenizer(engine._tokenizer.backend_tokenizer)


def test_text_stops_before_a_stop_string(engine: Transformers) -> None:
    whole = generate(engine, requests((10,), max_tokens=24))[0]
    stop = whole.text[len(whole.text) // 2 :][:2]
    cut = generate(engine, requests((10,), max_tokens=24, stop=(stop,)))[0]
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.token_ids == whole.token_ids[: cut.completion_tokens]


def test_pieces_add_up_to_the_completion(engine: Transformers) -> None:
    request = requests((21,), max_tokens=12)[0]
    pieces = list(stream(engine, request))
    completion = generate(engine, [request])[0]
    assert "".join(piece.text for piece in pieces) == completion.text
    assert tuple(token for piece in pieces for token in piece.token_ids) == completion.token_ids


def test_a_chat_is_rendered_by_the_models_template(sequential: Transformers) -> None:
    chat = (Message("system", "Say it."), Message("user", "Hello"))
    text = "<|im_start|>system\nSay it.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    sampling = Sampling(max_tokens=3)
    by_chat, by_text = generate(sequential, [Request(chat, sampling), Request(text, sampling)])
    assert by_chat.token_ids == by_text.token_ids
    assert by_chat.prompt_tokens == len(sequential.tokenize(text))


# time-outs, cancellation, refusals


def test_a_time_out_ends_with_what_there_is(engine: Transformers) -> None:
    sampling = Sampling(max_tokens=2000, ignore_eos=True)
    ended = engine.submit(Request(prompt(5), sampling, timeout_s=0.15)).result()
    assert ended.finish_reason == "timeout"
    assert len(ended.token_ids) < 2000
    queued = engine.submit(Request(prompt(5), sampling, timeout_s=0.0)).result()
    assert (queued.finish_reason, queued.token_ids) == ("timeout", ())


def test_cancelling_one_leaves_the_others(engine: Transformers, sequential: Transformers) -> None:
    victim = engine.submit(requests((12,), max_tokens=2000)[0])
    next(victim.pieces())
    victim.cancel()
    others = generate(engine, requests((6, 17)))
    assert victim.result().finish_reason == "cancelled"
    assert tokens(others) == tokens(generate(sequential, requests((6, 17))))


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (Request(()), "the prompt is empty"),
        (Request(prompt(2048)), "the prompt has 2048 tokens, the context 2048"),
        (Request((5, 384)), "outside of the vocabulary"),
        (Request("x", Sampling(max_tokens=0)), "max_tokens is 0"),
        (Request("x", Sampling(schema={"type": "object"})), "no schema here"),
        (Request("x", Sampling(grammar="root ::= 'a'")), "no grammar here"),
    ],
)
def test_what_can_never_be_served_is_refused(sequential: Transformers, request_: Request, what: str) -> None:
    with pytest.raises(HarnessError, match=what):
        sequential.submit(request_)


def test_the_completion_gets_what_the_context_leaves(sequential: Transformers) -> None:
    ended = sequential.submit(Request(prompt(2046), Sampling(max_tokens=50, ignore_eos=True))).result()
    assert (ended.completion_tokens, ended.finish_reason) == (2, "length")


def test_the_librarys_batching_is_greedy_only(engines: dict[str, Transformers]) -> None:
    with pytest.raises(HarnessError, match="greedy only"):
        engines["paged"].submit(requests((4,), temperature=0.7)[0])
    assert engines["paged"].context_tokens == 1024  # 64 blocks of 16 tokens


def test_lacking_capabilities_have_reasons(engines: dict[str, Transformers]) -> None:
    assert set(engines["sequential"].lacks) == {"schema", "grammar", "parallel", "prefix_cache"}
    assert set(engines["slots"].lacks) == {"schema", "grammar", "prefix_cache"}
    assert "at most 4" in engines["padded"].name


# failures


def test_a_closed_engine_fails_its_tickets_and_refuses(tiny_model: Path) -> None:
    engine = start(tiny_model, Slots(2))
    open_ticket = engine.submit(requests((5,), max_tokens=2000)[0])
    next(open_ticket.pieces())
    engine.close()
    engine.close()
    with pytest.raises(EngineFailure, match="closed"):
        open_ticket.result()
    with pytest.raises(EngineFailure, match="closed"):
        engine.submit(requests((5,))[0])
    assert not engine._thread.is_alive()


@pytest.mark.parametrize(
    "batching", [Padded(2), Slots(2), Paged(2, blocks=8)], ids=["padded", "slots", "paged"]
)
def test_out_of_memory_fails_what_ran_and_goes_on(
    tiny_model: Path, batching: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start(tiny_model, batching)
    model = engine._loaded.model
    forward, calls = model.forward, []

    def short_of_memory(**named: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
            )
        return forward(**named)

    monkeypatch.setattr(model, "forward", short_of_memory)
    tickets = [engine.submit(request) for request in requests((5, 9, 7))]
    with pytest.raises(EngineFailure, match=r"not enough memory|can't allocate memory") as failure:
        tickets[0].result()
    assert failure.value.retryable
    assert tickets[2].result().token_ids == generate(engine, requests((7,)))[0].token_ids
    engine.close()
    engine.close()
    assert engine._loaded.model is None


def test_any_other_failure_ends_the_engine(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = start(tiny_model, Slots(1))

    def broken(**named: Any) -> Any:
        raise RuntimeError("the card fell off the bus")

    monkeypatch.setattr(engine._loaded.model, "forward", broken)
    tickets = [engine.submit(request) for request in requests((5, 9))]
    for ticket in tickets:
        with pytest.raises(EngineFailure, match="fell off the bus"):
            ticket.result()
    engine._thread.join()
    with pytest.raises(EngineFailure, match="fell off the bus"):
        engine.submit(requests((5,))[0])
    assert "the transformers engine failed" in caplog.text
    engine.close()


def test_logits_that_are_no_numbers_fail_their_request_only(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start(tiny_model, Slots(2))
    forward = engine._loaded.model.forward

    def poisoned(**named: Any) -> Any:
        output = forward(**named)
        output.logits[0] = float("nan")
        return output

    good = generate(engine, requests((9,)))[0]
    monkeypatch.setattr(engine._loaded.model, "forward", poisoned)
    tickets = [engine.submit(request) for request in requests((5,))]
    with pytest.raises(EngineFailure, match="not numbers"):
        tickets[0].result()
    monkeypatch.undo()
    assert generate(engine, requests((9,)))[0].token_ids == good.token_ids
    engine.close()


# weights


def copy_of(model: Path, folder: Path) -> Path:
    return Path(shutil.copytree(model, folder / "copy"))


def test_weights_that_are_not_there(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such folder"):
        start(tmp_path / "nowhere", Sequential())
    folder = copy_of(tiny_model, tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1000])
    with pytest.raises(HarnessError, match=r"model\.safetensors: missing, truncated or damaged"):
        start(folder, Sequential())
    (folder / "model.safetensors").unlink()
    with pytest.raises(HarnessError, match="no weights in safetensors"):
        start(folder, Sequential())
    (folder / "config.json").unlink()
    with pytest.raises(HarnessError, match=r"no readable config\.json"):
        start(folder, Sequential())


def test_a_missing_tensor_is_never_made_up(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy_of(tiny_model, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(HarnessError, match=r"1 tensors are missing.*layers\.1\.mlp\.up_proj"):
        start(folder, Sequential())


def test_weights_of_another_shape(tiny_model: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 256}))
    with pytest.raises(HarnessError, match="cannot load it"):
        start(folder, Sequential())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "no_such_model"}))
    with pytest.raises(HarnessError, match="no_such_model"):
        start(folder, Sequential())


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantized_on_the_fly_and_saved_are_the_same(tiny_model: Path, tmp_path: Path, kind: Any) -> None:
    saved = save_quantized(tiny_model, tmp_path / kind, kind)
    assert (
        sum(f.stat().st_size for f in saved.glob("*.safetensors"))
        < (tiny_model / "model.safetensors").stat().st_size
    )
    answers = []
    for folder, asked in ((tiny_model, kind), (saved, "none"), (saved, kind)):
        engine = start(folder, Slots(2), quantization=asked, precision="checkpoint")
        linear = engine._loaded.model.model.layers[0].mlp.up_proj
        assert type(linear).__name__ == {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[kind]
        answers.append(tokens(generate(engine, requests((5, 14), max_tokens=3))))
        engine.close()
    assert answers[0] == answers[1] == answers[2]
    with pytest.raises(HarnessError, match="it exists already"):
        save_quantized(tiny_model, saved, kind)
    with pytest.raises(HarnessError, match=f"saved as {kind}"):
        start(saved, Slots(2), quantization="int8" if kind == "nf4" else "nf4")


# the switches


@pytest.mark.parametrize(
    "batching", [Sequential(), Padded(4), Slots(4)], ids=["sequential", "padded", "slots"]
)
def test_a_static_cache_changes_nothing(
    tiny_model: Path, batching: Batching, sequential: Transformers
) -> None:
    engine = start(tiny_model, batching, static_cache=True)
    for _ in range(2):  # the cache is used again
        assert tokens(generate(engine, requests((8, 20, 3)))) == tokens(
            generate(sequential, requests((8, 20, 3)))
        )
    engine.close()


def test_decoding_alone_is_compiled(
    tiny_model: Path, sequential: Transformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    widths = []

    def without_compiling(model: Any, mode: str | None) -> Any:
        assert mode is None, "a CPU has no CUDA graphs"

        def step(**named: Any) -> Any:
            widths.append(named["input_ids"].shape[1])
            return model(**named)

        return step

    monkeypatch.setattr(torch, "compile", without_compiling)
    engine = start(tiny_model, Sequential(), static_cache=True, compile=True)
    assert tokens(generate(engine, requests((8, 20)))) == tokens(generate(sequential, requests((8, 20))))
    assert widths == [1] * 10
    engine.close()


def test_on_a_card_decoding_is_compiled_into_cuda_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "compile", lambda model, mode: mode)
    model = SimpleNamespace(device=torch.device("cuda:0"))
    loaded = Loaded(model, "cuda:0", "sdpa", 8, 8, frozenset(), 0, static_cache=True, compiled=True)
    assert Sequential().start(loaded, Work())._step == "reduce-overhead"


def test_settings_that_do_not_go_together(tiny_model: Path) -> None:
    with pytest.raises(HarnessError, match="does not follow slots"):
        start(tiny_model, Slots(2), compile=True)
    with pytest.raises(HarnessError, match="cannot be a static one"):
        start(tiny_model, Paged(2), static_cache=True)


@pytest.mark.parametrize(
    ("card", "dtype", "masks", "name", "reason"),
    [
        (Card(None, False), "bfloat16", False, "sdpa", "needs a CUDA card"),
        (Card((7, 5), True), "bfloat16", False, "sdpa", "compute capability 7.5, it needs 8.0"),
        (Card((8, 9), False), "bfloat16", False, "sdpa", "flash-attn is not installed"),
        (Card((8, 9), True), "float32", False, "sdpa", "not in float32"),
        (Card((9, 0), True), "bfloat16", True, "sdpa", "mask of their own"),
        (Card((8, 0), True), "bfloat16", False, "flash_attention_2", "are there"),
    ],
)
def test_attention_is_what_the_hardware_allows(
    card: Card, dtype: str, masks: bool, name: str, reason: str
) -> None:
    found = choose_attention(None, card, dtype, masks)
    assert found.name == name
    assert reason in found.reason
    assert choose_attention("eager", card, dtype, masks).name == "eager"
    if name == "sdpa":
        with pytest.raises(HarnessError, match="flash_attention_2 cannot run"):
            choose_attention("flash_attention_2", card, dtype, masks)


def test_attention_is_said_once(tiny_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=engine_module.__name__)
    engine = start(tiny_model, Slots(2))
    generate(engine, requests((5, 6)))
    assert [record.message for record in caplog.records].count(
        "attention: sdpa (no flash_attention_2: it needs a CUDA card)"
    ) == 1
    assert engine.attention.name == "sdpa"
    engine.close()


@pytest.mark.parametrize(
    "batching", [Padded(4), Slots(4), BATCHINGS["paged"]], ids=["padded", "slots", "paged"]
)
def test_eager_attention_gives_the_same_tokens(
    tiny_model: Path, batching: Batching, sequential: Transformers
) -> None:
    engine = start(tiny_model, batching, attention="eager")
    assert tokens(generate(engine, requests(LENGTHS))) == tokens(generate(sequential, requests(LENGTHS)))
    mine = engine.forward(prompt(30), frozenset({"logits"})).logits
    theirs = sequential.forward(prompt(30), frozenset({"logits"})).logits
    np.testing.assert_allclose(mine, theirs, atol=2e-4)
    engine.close()


# prefixes


def test_a_shared_prefix_is_computed_once(tiny_model: Path, sequential: Transformers) -> None:
    engine = start(tiny_model, Slots(4, prefix_tokens=200))
    assert "prefix_cache" not in engine.lacks
    shared = prompt(40)
    asked = [Request(shared + prompt(n, 1), Sampling(max_tokens=5, ignore_eos=True)) for n in (4, 9, 6)]
    found = generate(engine, asked)
    assert tokens(found) == tokens(generate(sequential, asked))
    assert [completion.cached_tokens for completion in found] == [0, 40, 40]
    statistics = engine.statistics
    assert statistics.cached_tokens == 80
    ran = statistics.computed_tokens - statistics.padding_tokens
    assert ran == sum(len(request.prompt) for request in asked) - 80 + 3 * 4
    again = generate(engine, asked[:1])[0]  # all but the last token of a prompt that is held
    assert (again.cached_tokens, again.token_ids) == (43, found[0].token_ids)
    engine.close()


def test_prefixes_let_the_least_recently_used_go() -> None:
    class Rows:
        def copy_out(self, row: int, tokens: int) -> Any:
            return np.full((1, 2, tokens, 1, 1), row)

    prefixes = Prefixes(60)
    for row, first in enumerate((100, 200)):
        prefixes.keep(tuple(range(first, first + 25)), Rows(), row)
    assert prefixes.find((*range(100, 120), 7))[0, 0, :, 0, 0].tolist() == [0] * 20
    prefixes.keep(tuple(range(300, 325)), Rows(), 2)
    assert prefixes.longest((*range(200, 225), 7)) == 0
    assert prefixes.longest((*range(100, 125), 7)) == 25
    assert prefixes.longest(tuple(range(100, 110))) == 0  # too short to be worth it
    prefixes.keep(tuple(range(61)), Rows(), 3)
    assert prefixes.longest(tuple(range(61))) == 0


# what was computed


def test_padding_is_counted(tiny_model: Path) -> None:
    engine = start(tiny_model, Padded(2))
    generate(engine, [requests((10,), max_tokens=4)[0], requests((6,), max_tokens=2)[0]])
    statistics = engine.statistics
    # prompts 2 x 10 with 4 of padding; three more steps of two rows, of which the second is over after one
    assert (statistics.forward_calls, statistics.computed_tokens, statistics.padding_tokens) == (4, 26, 6)
    assert statistics.padding_share == pytest.approx(6 / 26)
    assert (statistics.requests, statistics.prompt_tokens, statistics.completion_tokens) == (2, 16, 6)
    assert statistics.most_at_once == 2
    engine.close()


def test_slots_compute_for_who_is_there(tiny_model: Path) -> None:
    engine = start(tiny_model, Slots(2))
    generate(engine, [requests((10,), max_tokens=4)[0], requests((10,), max_tokens=2)[0]])
    assert (engine.statistics.forward_calls, engine.statistics.computed_tokens) == (4, 24)
    assert engine.statistics.padding_share == 0
    engine.close()


def test_batches_of_like_length(sequential: Transformers) -> None:
    def waiting(*lengths: int) -> deque[Job]:
        return deque(
            Job(Ticket(requests((1,))[0]), prompt(n), 1, frozenset(), decoder(sequential), Work())
            for n in lengths
        )

    queue = waiting(10, 90, 12, 80, 9)
    assert [len(job.prompt) for job in chosen(queue, 3, by_length=True)] == [10, 12, 9]
    assert [len(job.prompt) for job in chosen(queue, 3, by_length=False)] == [10, 90, 12]
    assert chosen(deque(), 3, by_length=True) == []


# forward passes


@pytest.mark.parametrize("name", ["sequential", "paged"])
def test_a_forward_pass(name: str, engines: dict[str, Transformers]) -> None:
    wants = frozenset({"logits", "hidden_states", "attention_rows"})
    ids, rows = prompt(19), (0, 7, 18)
    forward = engines[name].forward(ids, wants, rows)  # type: ignore[arg-type]
    assert forward.tokens == 19
    assert forward.logits.shape == (19, 384)
    assert forward.hidden_states.shape == (3, 19, 256)
    assert forward.attention_rows.shape == (2, 4, 3, 19)
    for values in (forward.logits, forward.hidden_states, forward.attention_rows):
        assert values.dtype == np.float32
    np.testing.assert_allclose(forward.attention_rows.sum(axis=-1), 1, atol=1e-5)
    for at, row in enumerate(rows):
        assert not forward.attention_rows[:, :, at, row + 1 :].any()
        assert (forward.attention_rows[:, :, at, : row + 1] > 0).all()
    plain = engines[name].forward(ids, frozenset({"logits"}))
    assert plain.hidden_states is None
    assert plain.attention_rows is None
    np.testing.assert_allclose(plain.logits, forward.logits, atol=2e-4)
    made = generate(engines[name], [Request(ids, Sampling(max_tokens=1, ignore_eos=True))])[0]
    assert made.token_ids == (int(plain.logits[-1].argmax()),)


def test_a_forward_pass_runs_beside_requests(engines: dict[str, Transformers]) -> None:
    ticket = engines["slots"].submit(requests((5,), max_tokens=2000)[0])
    next(ticket.pieces())
    assert engines["slots"].forward(prompt(4), frozenset({"logits"})).logits.shape == (4, 384)
    assert ticket.stop_reason is None
    ticket.cancel()
    assert ticket.result().finish_reason == "cancelled"


@pytest.mark.parametrize(
    ("length", "wants", "rows", "what"),
    [
        (0, {"logits"}, (), "a pass of 0 tokens"),
        (2049, {"logits"}, (), "a pass of 2049 tokens"),
        (4, {"schema"}, (), "no schema"),
        (4, {"attention_rows"}, (), "no rows"),
        (4, {"attention_rows"}, (4,), "outside of the tokens"),
    ],
)
def test_passes_that_are_refused(
    sequential: Transformers, length: int, wants: Any, rows: tuple[int, ...], what: str
) -> None:
    with pytest.raises(HarnessError, match=what):
        sequential.forward(prompt(length), frozenset(wants), rows)


# text and draws


@given(st.text(min_size=1, max_size=20))
def test_streamed_text_is_the_decoded_text(tiny_tokens: Any, text: str) -> None:
    ids = tiny_tokens.encode(text).ids
    detokenizer = Detokenizer(tiny_tokens)
    streamed = "".join(detokenizer.add(token) for token in ids) + detokenizer.end()
    # the tokenizer puts text into this normal form
    assert streamed == tiny_tokens.decode(ids) == unicodedata.normalize("NFC", text)


@given(st.lists(st.integers(0, 383), max_size=40))
def test_any_tokens_stream_to_their_text(tiny_tokens: Any, ids: list[int]) -> None:
    detokenizer = Detokenizer(tiny_tokens)
    shown = [detokenizer.add(token) for token in ids]
    assert "".join(shown) + detokenizer.end() == tiny_tokens.decode(ids)


@pytest.fixture(scope="module")
def tiny_tokens(tiny_model: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(tiny_model / "tokenizer.json"))


def test_draws_follow_the_distribution() -> None:
    logits = np.log(np.array([0.1, 0.4, 0.2, 0.3], dtype=np.float32))
    random = np.random.default_rng(1)
    draws = [choose(logits, Sampling(temperature=1.0), random) for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(draws) / 4000, [0.1, 0.4, 0.2, 0.3], atol=0.03)


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        (Sampling(temperature=1.0, top_k=2), {1, 3}),
        (Sampling(temperature=1.0, top_p=0.5), {1, 3}),
        (Sampling(temperature=1.0, top_p=0.3), {1}),
        (Sampling(temperature=1.0, min_p=0.6), {1, 3}),
        (Sampling(temperature=0.01), {1}),
        (Sampling(temperature=1.0, top_k=3, top_p=0.7), {1, 3}),
    ],
)
def test_draws_keep_to_what_is_left_in(sampling: Sampling, allowed: set[int]) -> None:
    logits = np.log(np.array([0.1, 0.4, 0.2, 0.3], dtype=np.float32))
    random = np.random.default_rng(2)
    assert {choose(logits, sampling, random) for _ in range(300)} == allowed


def test_a_time_out_in_the_queue(tiny_model: Path) -> None:
    engine = start(tiny_model, Sequential())
    busy = engine.submit(requests((5,), max_tokens=2000)[0])
    next(busy.pieces())
    began = time.monotonic()
    late = engine.submit(Request(prompt(6), Sampling(max_tokens=5), timeout_s=0.1)).result()
    assert late.finish_reason == "timeout"
    assert late.token_ids == ()
    assert time.monotonic() - began < 5
    engine.close()


def test_heads_are_grouped_where_the_engine_decodes_itself(engines):
    running = {name: engine._loaded.model.config._attn_implementation for name, engine in engines.items()}
    assert {name for name, attention in running.items() if attention == NAME} == {*BATCHINGS} - {"paged"}
