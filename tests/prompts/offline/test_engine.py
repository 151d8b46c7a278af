"""The scripted engine: its schedule, its counts, its limits."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.protocol import EngineFailure, Message, Request, Sampling, generate, stream
from harness.errors import HarnessError
from harness.prompts.offline.engine import IDEAL, Conditions, ScriptedEngine


def echo(messages: tuple[Message, ...]) -> str:
    return " ".join(each.content for each in messages)


def opened(conditions: Conditions = IDEAL) -> ScriptedEngine:
    return ScriptedEngine(echo, "echo", conditions)


def chat(text: str, **sampling: object) -> Request:
    return Request((Message("user", text),), Sampling(**sampling))  # type: ignore[arg-type]


@given(st.lists(st.text("ab c", min_size=1, max_size=20), max_size=8))
def test_answers_come_in_order_and_tokens_are_words(texts: list[str]) -> None:
    engine = opened()
    made = generate(engine, [chat(text) for text in texts])
    engine.close()
    assert [each.text for each in made] == texts
    assert [each.prompt_tokens for each in made] == [len(text.split()) for text in texts]
    assert all(len(each.token_ids) == each.completion_tokens == each.prompt_tokens for each in made)
    assert all(each.finish_reason == "stop" for each in made)


def test_plain_text_is_a_prompt_too_and_pieces_come() -> None:
    engine = opened()
    assert [piece.text for piece in stream(engine, Request("one two"))] == ["one two"]
    engine.close()


def test_calls_fail_on_schedule() -> None:
    engine = opened(Conditions(slots=1, fails={1, 3}, retryable=True))
    for number in range(5):
        ticket = engine.submit(chat(str(number)))
        if number in (1, 3):
            with pytest.raises(EngineFailure, match=f"call {number}") as failed:
                ticket.result()
            assert failed.value.retryable
        else:
            assert ticket.result().text == str(number)
    engine.close()
    assert (engine.counts.calls, engine.counts.failed, engine.counts.peak_open) == (5, 2, 1)


def test_a_range_of_failures_never_ends() -> None:
    engine = opened(Conditions(fails=range(1, 10**9)))
    assert engine.submit(chat("first")).result().text == "first"
    for _ in range(3):
        with pytest.raises(EngineFailure, match="scripted failure"):
            engine.submit(chat("more")).result()
    engine.close()


def test_cut_and_limited_answers_say_so() -> None:
    engine = opened(Conditions(cut={0}, context_tokens=12))
    cut = engine.submit(chat("one two three four", max_tokens=5)).result()
    limited = engine.submit(chat("one two three four", max_tokens=3)).result()
    full = engine.submit(chat("a b c d e f g")).result()
    engine.close()
    assert (cut.text, cut.finish_reason) == ("one two t and and", "length")
    assert (limited.text, limited.finish_reason) == ("one two three", "length")
    assert (full.text, full.finish_reason) == ("a b c d e", "length")
    assert engine.counts.cut == 3


def test_as_many_as_there_are_slots_are_served_at_once() -> None:
    all_open, lock = threading.Event(), threading.Lock()
    serving, most = 0, 0

    def answer(_: tuple[Message, ...]) -> str:
        nonlocal serving, most
        with lock:
            serving += 1
            most = max(most, serving)
        assert all_open.wait(30)
        with lock:
            serving -= 1
        return "x"

    engine = ScriptedEngine(answer, "slots", Conditions(slots=3))
    tickets = [engine.submit(chat(str(number))) for number in range(30)]
    all_open.set()
    assert [ticket.result().text for ticket in tickets] == ["x"] * 30
    engine.close()
    assert 1 <= most <= 3
    assert engine.counts.peak_open == 30


def test_a_cancelled_call_and_one_out_of_time_end_soon() -> None:
    engine = opened(Conditions(latency_s=600.0))
    ticket = engine.submit(chat("never"))
    ticket.cancel()
    assert ticket.result().finish_reason == "cancelled"
    late = engine.submit(Request((Message("user", "never"),), timeout_s=0.01))
    assert late.result().finish_reason == "timeout"
    engine.close()


def test_closing_fails_what_is_open() -> None:
    engine = opened(Conditions(latency_s=0.05))
    ticket = engine.submit(chat("never"))
    engine.close()
    engine.close()
    with pytest.raises(EngineFailure, match="closed"):
        ticket.result()
    with pytest.raises(EngineFailure, match="closed"):
        engine.submit(chat("late"))


def test_what_it_cannot_do_is_refused() -> None:
    engine = opened(Conditions(context_tokens=4))
    with pytest.raises(HarnessError, match="context"):
        engine.submit(chat("one two three four"))
    with pytest.raises(HarnessError, match="token ids"):
        engine.submit(Request((1, 2, 3)))
    with pytest.raises(HarnessError, match="grammar"):
        engine.submit(chat("one", grammar="root ::= x"))
    with pytest.raises(HarnessError, match="tensors"):
        engine.forward([1], frozenset({"logits"}))
    engine.close()
    assert "logits" in engine.lacks
    assert engine.counts.calls == 0


def test_an_error_in_the_script_is_the_calls_own() -> None:
    engine = ScriptedEngine(lambda _: {}["missing"], "broken")
    with pytest.raises(KeyError):
        engine.submit(chat("one")).result()
    engine.close()
    assert engine.counts.failed == 1
