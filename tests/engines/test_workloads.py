"""Requests of equal work, and the check that it was done."""

import json
import threading
from collections.abc import Mapping
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened, transformers
from harness.engines.protocol import (
    Capability,
    Completion,
    EngineFailure,
    Forward,
    Request,
    Sampling,
    Ticket,
    Timings,
)
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_slots import Slots
from harness.engines.workloads import (
    answered,
    answered_by_threads,
    answered_in_turn,
    completion_tokens,
    computed_prompt_tokens,
    first_token_p90_s,
    fresh,
    inter_token_p99_s,
    text_requests,
    token_requests,
    vocabulary,
)
from harness.errors import HarnessError

IDS = range(50, 200)


class Scripted:
    """Answers with as many tokens as it likes, 3 of each prompt from its cache."""

    name, context_tokens = "scripted", 4096
    lacks: Mapping[Capability, str] = {}

    def __init__(self, short_by: int = 0) -> None:
        self.short_by = short_by
        self.seen: list[Request] = []

    def submit(self, request: Request) -> Ticket:
        self.seen.append(request)
        ticket = Ticket(request)
        made = request.sampling.max_tokens - self.short_by
        ids = tuple(range(made))
        ticket.finish(Completion("", ids, len(request.prompt), made, "stop", Timings(0.0, 0.0), 3))
        return ticket

    def tokenize(self, text: str) -> list[int]:
        raise NotImplementedError

    def forward(self, token_ids, wants, rows=()) -> Forward:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Counting(Scripted):
    """Answers as soon as three requests are open at once."""

    def __init__(self) -> None:
        super().__init__()
        self.open = self.most_open = 0
        self.lock = threading.Lock()
        self.together = threading.Barrier(3)

    def submit(self, request: Request) -> Ticket:
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        self.together.wait(timeout=30)
        with self.lock:
            self.open -= 1
        return super().submit(request)


@given(
    lengths=st.lists(st.integers(11, 60), min_size=1, max_size=6),
    answers=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    shared=st.integers(0, 10),
    seed=st.integers(0, 5),
)
def test_requests_have_the_lengths_asked_for(lengths, answers, shared, seed):
    found = token_requests(IDS, lengths, answers, shared_tokens=shared, seed=seed)
    assert [len(each.prompt) for each in found] == lengths
    assert [each.sampling.max_tokens for each in found] == [
        answers[i % len(answers)] for i in range(len(lengths))
    ]
    assert all(each.sampling.ignore_eos and each.sampling.temperature == 0 for each in found)
    assert len({each.prompt[:shared] for each in found}) == 1
    assert len({each.prompt[shared] for each in found}) == len(found)
    assert all(token in IDS for each in found for token in each.prompt)
    assert found == token_requests(IDS, lengths, answers, shared_tokens=shared, seed=seed)
    assert found != token_requests(IDS, lengths, answers, shared_tokens=shared, seed=seed + 1)


def test_a_prompt_has_something_of_its_own():
    with pytest.raises(HarnessError, match="more than the 5 it shares"):
        token_requests(IDS, [5], [1], shared_tokens=5)


def test_prompts_that_begin_differently_need_as_many_ids():
    with pytest.raises(HarnessError, match="up to 2"):
        token_requests(range(2), [5] * 3, [1])


def test_text_prompts_have_as_many_words_and_differ():
    found = text_requests(20, 12, 7, seed=3)
    assert {len(each.prompt.split()) for each in found} == {12}
    assert len({each.prompt for each in found}) == 20
    assert found == text_requests(20, 12, 7, seed=3)
    assert {each.sampling.max_tokens for each in found} == {7}


def test_fresh_requests_never_come_twice():
    make = fresh(lambda seed: text_requests(1, 12, 1, seed=seed))
    assert len({make()[0].prompt for _ in range(50)}) == 50


def test_ordinary_tokens_of_a_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 512}))
    assert vocabulary(tmp_path) == range(64, 256)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(HarnessError, match="vocab_size"):
        vocabulary(tmp_path)


@pytest.mark.parametrize("ask", [answered, answered_in_turn, partial(answered_by_threads, threads=1)])
def test_answers_come_in_order_and_are_counted(ask):
    engine, requests = Scripted(), token_requests(IDS, [10, 20], [4, 6])
    done = ask(engine, requests)
    assert tuple(engine.seen) == requests
    assert [each.completion_tokens for each in done] == [4, 6]
    assert completion_tokens(done) == 10
    assert computed_prompt_tokens(done) == 24


def test_every_client_has_one_request_open_at_a_time():
    engine, requests = Counting(), token_requests(IDS, [10] * 12, [4])
    done = answered_by_threads(engine, requests, 3)
    assert [each.prompt_tokens for each in done] == [10] * 12
    assert engine.most_open == 3


def test_latencies_are_percentiles_over_answers():
    done = [
        Completion("", (), 1, tokens, "length", Timings(first_s, total_s))
        for tokens, first_s, total_s in ((11, 1.0, 3.0), (11, 3.0, 4.0), (1, 5.0, 5.0))
    ]
    assert first_token_p90_s(done) == pytest.approx(4.6)  # numpy's linear interpolation of 1, 3, 5
    assert inter_token_p99_s(done) == pytest.approx(0.199)  # of 0.2 and 0.1; one token has no gap
    assert inter_token_p99_s(done[2:]) == 0.0


@pytest.mark.parametrize("ask", [answered, answered_in_turn])
def test_a_short_answer_is_a_failure_not_a_speed_up(ask):
    with pytest.raises(EngineFailure, match="5 tokens where 6 were asked for"):
        ask(Scripted(short_by=1), [Request("a", Sampling(max_tokens=6))])


def test_an_engine_does_the_work_it_is_asked_for(tiny_model):
    engine = opened(lambda: transformers(TransformersSettings(tiny_model, Slots(4)), on_cpu=True))
    requests = token_requests(vocabulary(tiny_model), [9, 17, 30], [3, 5])
    assert completion_tokens(answered(engine, requests)) == 3 + 5 + 3
    assert completion_tokens(answered_in_turn(engine, requests)) == 3 + 5 + 3


@pytest.mark.parametrize("kind", ["llama_cpp", "transformers"])
def test_a_prefix_cache_saves_the_same_in_every_round(kind, tiny_model, tiny_gguf):
    def start():
        if kind == "llama_cpp":
            return LlamaCppEngine(tiny_gguf, parallel=6, context_tokens=64, threads=1)
        return transformers(TransformersSettings(tiny_model, Slots(6, prefix_tokens=160)), on_cpu=True)

    engine, ids = opened(start), vocabulary(tiny_model)
    rounds = [token_requests(ids, [44] * 6, [3], shared_tokens=40, seed=seed) for seed in range(12)]
    assert {computed_prompt_tokens(answered(engine, asked)) for asked in rounds} == {40 + 6 * 4}
