"""The engine against a server that answers as told: what it asks, hands out, refuses and counts."""

import logging
import threading
import time
import traceback

import pytest
from scripted_server import (
    USAGE,
    chat_events,
    chat_reply,
    events,
    reply,
    scripted_server,
    silence,
    until_gone,
)  # fmt: skip

from harness.engines.endpoint import EndpointEngine, server_url
from harness.engines.endpoint_dialects import DIALECTS
from harness.engines.protocol import EngineFailure, Message, Piece, Request, Sampling, generate, stream
from harness.engines.transport import Limits
from harness.errors import HarnessError

KEY = "sk-do-not-show-me"
CHAT = (Message("system", "Be short."), Message("user", "Say hello."))
HELLO = ("Hel", "lo", " Wörld\u2028\x85!")
TEXT = "".join(HELLO)


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


@pytest.fixture
def engine(server):
    """Makes engines for the server, which wait for nothing between tries; they are closed at the end."""
    made = []

    async def no_wait(_seconds):
        pass

    def make(url=None, **settings):
        settings = {"model": "m", "sleep": no_wait} | settings
        made.append(EndpointEngine(url or server.url, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ask(engine, prompt=CHAT, **sampling):
    return engine.submit(Request(prompt, Sampling(**sampling))).result()


def test_a_streamed_chat(server, engine):
    server.script = [events(*chat_events(*HELLO))]
    one = engine()
    ticket = one.submit(Request(CHAT, Sampling(max_tokens=9)))
    assert list(ticket.pieces()) == [Piece(text) for text in HELLO]
    done = ticket.result()
    assert (done.text, done.finish_reason) == (TEXT, "stop")
    assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (7, 3, 4)
    assert 0 < done.timings.time_to_first_token_s <= done.timings.total_s
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be short."}, {"role": "user", "content": "Say hello."},
        ],
        "max_completion_tokens": 9, "temperature": 0.0, "top_p": 1.0, "seed": 0,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    counted = one.accounting()
    assert (counted.prompt_tokens, counted.completion_tokens, counted.cached_tokens) == (7, 3, 4)
    assert (counted.requests, counted.usage_unknown, counted.by_status) == (1, 0, {"200": 1})
    assert (counted.bytes_sent, counted.bytes_received) == (seen.size, server.sent)


def test_the_time_to_the_first_token_is_the_first_pieces(server, engine):
    gate = threading.Event()

    def answer(handler):
        documents = chat_events("a", "b")
        events(*documents[:2], cut=True)(handler)
        gate.wait(5)
        end = events(*documents[2:])
        handler.send_response = handler.send_header = lambda *_: None
        handler.end_headers = lambda: None
        end(handler)

    server.script = [answer]
    ticket = engine().submit(Request(CHAT))
    pieces = ticket.pieces()
    assert next(pieces) == Piece("a")
    time.sleep(0.1)
    gate.set()
    timings = ticket.result().timings
    assert timings.total_s - timings.time_to_first_token_s >= 0.1


def test_a_connection_serves_one_request_after_the_other(server, engine):
    server.otherwise = events(*chat_events("a"))
    one = engine()
    assert [ask(one).text for _ in range(4)] == ["a"] * 4
    assert server.connections == 1


def test_an_answer_in_one(server, engine):
    server.script = [reply(200, chat_reply(TEXT, "length"))]
    done = ask(engine(streaming=False))
    assert (done.text, done.finish_reason, done.completion_tokens) == (TEXT, "length", 3)
    assert "stream" not in server.seen[0].body


def test_a_text_prompt_with_token_ids_back(server, engine):
    documents = [
        {"choices": [{"text": "a", "token_ids": [5], "finish_reason": None}]},
        {"choices": [{"text": "", "token_ids": [6], "finish_reason": None}]},
        {"choices": [{"text": "é", "token_ids": [7], "finish_reason": "length"}], "usage": USAGE},
    ]
    server.script = [events(*documents)] * 2
    one = engine(dialect="vllm")
    done = ask(one, "Once")
    assert (done.text, done.token_ids, done.finish_reason) == ("aé", (5, 6, 7), "length")
    assert ask(one, (1, 2)).token_ids == (5, 6, 7)
    assert [seen.path for seen in server.seen] == ["/v1/completions"] * 2
    assert [seen.body["prompt"] for seen in server.seen] == ["Once", [1, 2]]
    assert server.seen[0].body["return_token_ids"] is True


def test_a_stream_without_done_as_transformers_serve_writes_it(server, engine):
    *said, end, usage = chat_events("hi")
    server.script = [events(*said, end | usage | {"choices": end["choices"]}, done=False)]
    assert ask(engine(dialect="transformers")).text == "hi"
    assert "model" not in server.seen[0].body
    assert server.seen[0].body["temperature"] == 0


def test_many_at_once_within_the_bound(server, engine):
    three = threading.Barrier(3)

    def together(handler):
        three.wait(30)
        reply(200, chat_reply("ok"))(handler)

    server.otherwise = together
    one = engine(concurrency=3)
    done = generate(one, [Request(CHAT)] * 12)
    assert [completion.text for completion in done] == ["ok"] * 12
    assert server.most_under_way == 3
    assert one.accounting().completion_tokens == 36


def test_the_first_model_listed_is_asked_for(server, engine):
    listed = {"data": [{"id": "first", "max_model_len": 512}, {"id": "second"}]}
    server.script = [reply(200, listed), reply(200, chat_reply("a")), reply(200, chat_reply("b"))]
    one = engine(model="")
    assert [ask(one).text, ask(one).text] == ["a", "b"]
    assert [seen.body and seen.body["model"] for seen in server.seen] == [None, "first", "first"]
    assert [seen.method for seen in server.seen] == ["GET", "POST", "POST"]


@pytest.mark.parametrize(
    ("listed", "length"),
    [({"id": "m", "max_model_len": 512}, 512), ({"id": "m", "meta": {"n_ctx": 256}}, 256)],
)
def test_the_context_is_the_servers(server, engine, listed, length):
    server.script = [reply(200, {"data": [{"id": "other", "max_model_len": 1}, listed]})]
    one = engine()
    assert [one.context_tokens, one.context_tokens] == [length, length]


def test_a_context_that_no_one_tells(server, engine):
    server.script = [reply(200, {"data": [{"id": "m"}]})]
    with pytest.raises(HarnessError, match="give context_tokens"):
        _ = engine().context_tokens
    assert engine(context_tokens=99).context_tokens == 99


# what a server takes


def test_every_sampling_field_goes_where_the_server_takes_it(server, engine):
    server.otherwise = reply(200, chat_reply("a"))
    sampling = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.1, "seed": 3, "stop": ("x",)}
    for dialect in ("llama_cpp", "vllm"):
        ask(engine(dialect=dialect), ignore_eos=True, **sampling)
    for seen in server.seen:
        assert {name: seen.body[name] for name in sampling} == sampling | {"stop": ["x"]}
        assert seen.body["ignore_eos"] is True
        assert seen.body["max_tokens"] == 256


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("dialect", "prompt", "sampling", "field", "value"),
    [
        ("openai", CHAT, {"schema": SCHEMA}, "response_format", FORM),
        ("llama_cpp", CHAT, {"schema": SCHEMA}, "response_format", FORM),
        ("llama_cpp", "text", {"schema": SCHEMA}, "json_schema", SCHEMA),
        ("vllm", "text", {"schema": SCHEMA}, "response_format", FORM),
        ("llama_cpp", "text", {"grammar": "root ::= [a]"}, "grammar", "root ::= [a]"),
        ("vllm", CHAT, {"grammar": "root ::= [a]"}, "structured_outputs", {"grammar": "root ::= [a]"}),
    ],
)
def test_a_constraint_goes_where_the_server_takes_it(server, engine, dialect, prompt, sampling, field, value):
    server.script = [reply(200, chat_reply("a"))]
    ask(engine(dialect=dialect), prompt, **sampling)
    assert server.seen[0].body[field] == value


@pytest.mark.parametrize(
    ("dialect", "prompt", "sampling", "message"),
    [
        ("openai", CHAT, {"top_k": 5, "temperature": 1.0}, "speaks openai takes no top_k"),
        ("openai", CHAT, {"ignore_eos": True}, "takes no ignore_eos"),
        ("openai", CHAT, {"grammar": "root ::= [a]"}, "cannot do grammar"),
        ("openai", "text", {"schema": SCHEMA}, "takes no schema for a text prompt"),
        ("transformers", CHAT, {"temperature": 0.5}, "takes no temperature but 0"),
        ("transformers", CHAT, {"stop": ("x",)}, "takes no stop"),
        ("transformers", CHAT, {"schema": SCHEMA}, "cannot do schema"),
        ("transformers", (1, 2), {}, "takes no prompt of token ids"),
        ("vllm", CHAT, {"schema": SCHEMA, "grammar": "root ::= [a]"}, "at most one of them"),
        ("vllm", (), {}, "the prompt is empty"),
    ],
)
def test_what_the_server_would_not_take_is_refused_before_it_is_sent(
    server, engine, dialect, prompt, sampling, message
):
    with pytest.raises(HarnessError, match=message):
        engine(dialect=dialect).submit(Request(prompt, Sampling(**sampling)))
    assert server.seen == []


def test_greedy_needs_no_sampling_fields(server, engine):
    server.script = [reply(200, chat_reply("a"))]
    ask(engine(), top_k=20, min_p=0.1)
    assert "top_k" not in server.seen[0].body


def test_extra_fields_go_into_the_body(server, engine):
    server.script = [reply(200, chat_reply("a"))]
    ask(engine(extra={"chat_template_kwargs": {"enable_thinking": False}}))
    assert server.seen[0].body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("llama_cpp", {"content": "a b", "add_special": False, "parse_special": True}),
        ("vllm", {"prompt": "a b", "add_special_tokens": False}),
    ],
)
def test_the_server_tokenizes(server, engine, dialect, body):
    server.script = [reply(200, {"tokens": [4, 5]}), reply(200, {"other": 1})]
    one = engine(dialect=dialect)
    assert one.tokenize("a b") == [4, 5]
    assert (server.seen[0].path, server.seen[0].body) == ("/tokenize", body)
    with pytest.raises(EngineFailure, match="without tokens"):
        one.tokenize("a b")


def test_what_an_endpoint_lacks(engine):
    with pytest.raises(HarnessError, match="does not tokenize"):
        engine().tokenize("a")
    with pytest.raises(HarnessError, match="no forward pass"):
        engine().forward([1], frozenset({"logits"}))
    for dialect in DIALECTS:
        assert {"logits", "hidden_states", "attention_rows"} <= set(engine(dialect=dialect).lacks)


# what goes wrong


def test_a_broken_stream_is_asked_for_again_and_nothing_is_handed_out_twice(server, engine):
    documents = chat_events(*HELLO)
    server.script = [
        events(*documents[:3], cut=True), events(*documents[:2], done=False), events(*documents),
    ]  # fmt: skip
    one = engine()
    ticket = one.submit(Request(CHAT))
    assert [piece.text for piece in ticket.pieces()] == list(HELLO)
    assert ticket.result().text == TEXT
    counted = one.accounting()
    assert (counted.requests, counted.retries, counted.failures) == (1, 2, 0)
    assert counted.by_status == {"broken answer": 2, "200": 1}
    assert (counted.completion_tokens, counted.usage_unknown) == (3, 2)
    assert counted.bytes_received == server.sent


def test_a_second_answer_that_is_another_is_a_failure(server, engine):
    server.script = [events(*chat_events("Hel")[:2], cut=True), events(*chat_events("Good", " day"))]
    ticket = engine().submit(Request(CHAT))
    assert next(ticket.pieces()) == Piece("Hel")
    with pytest.raises(EngineFailure, match="the second one is another") as failure:
        ticket.result()
    assert failure.value.retryable


def test_a_stream_that_goes_on_beyond_what_was_allowed_is_a_failure(server, engine):
    server.script = [events(*chat_events(*"ab" * 400))]
    with pytest.raises(EngineFailure, match="writes on beyond the 8 tokens allowed") as failure:
        ask(engine(), max_tokens=8)
    assert not failure.value.retryable


def test_a_stream_that_always_breaks_is_given_up(server, engine):
    server.otherwise = events(*chat_events("a")[:1], cut=True)
    one = engine()
    with pytest.raises(EngineFailure, match=r"\(4 tries\)") as failure:
        ask(one)
    assert failure.value.retryable
    assert one.accounting().by_status == {"broken answer": 4}


def test_an_error_within_a_stream(server, engine):
    begun = chat_events("a")[:1]
    passing = {"error": {"message": "slot lost", "code": 500}}
    lasting = {"error": {"message": f"too long {KEY}", "code": 400}}
    server.script = [events(*begun, passing), events(*chat_events("a")), events(*begun, lasting)]
    one = engine(key_variable="")
    assert ask(one).text == "a"
    with pytest.raises(HarnessError, match="too long"):
        ask(one)
    assert one.accounting().by_status == {"broken answer": 1, "200": 2}


@pytest.mark.parametrize("streaming", [True, False])
def test_a_refusal_is_a_failure_not_an_empty_answer(server, engine, streaming):
    whole = chat_reply("")
    whole["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot."}
    role, *_, end, usage = chat_events()
    said = {"choices": [{"delta": {"refusal": "I cannot."}, "finish_reason": None}]}
    server.script = [events(role, said, end, usage) if streaming else reply(200, whole)]
    with pytest.raises(EngineFailure, match="refused to answer"):
        ask(engine(streaming=streaming))
    assert len(server.seen) == 1


NO_TEXT = {"choices": [{"message": {"content": None}, "finish_reason": "tool_calls"}], "usage": USAGE}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the answer is empty"),
        (b"<html>", "is no JSON"),
        (b"\xff\xfe{", "is no JSON"),
        (b"[" * 200_000, "is no JSON"),
        ([], "is no JSON object"),
        ({}, "has no choices"),
        ({"choices": []}, "has no choices"),
        ({"choices": [None]}, "has no choices"),
        ({"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}, "is no text"),
        (NO_TEXT, "has no content"),
        (chat_reply("a", usage=None), "no usage"),
        (chat_reply("a", usage={"prompt_tokens": "7"}), "no usage"),
        (chat_reply("a", finish=None), "no finish_reason"),
        (chat_reply("a", finish="content_filter"), "content_filter"),
    ],
)
def test_what_is_no_completion_is_a_failure(server, engine, body, message):
    server.script = [reply(200, body)]
    one = engine(streaming=False)
    with pytest.raises(EngineFailure, match=message):
        ask(one)
    assert (one.accounting().by_status, one.accounting().failures) == ({"200": 1}, 1)


def test_a_stream_without_usage_is_a_failure_and_its_tokens_unknown(server, engine):
    server.script = [events(*chat_events("a", usage=None))]
    one = engine()
    with pytest.raises(EngineFailure, match="no usage"):
        ask(one)
    assert one.accounting().usage_unknown == 1


# stopping


def test_cancelling_closes_the_connection(server, engine):
    server.script = [until_gone(*chat_events("a", "b")[:3])]
    one = engine()
    pieces = stream(one, Request(CHAT))
    assert next(pieces) == Piece("a")
    pieces.close()
    assert server.broken_off.wait(5)
    while one.accounting().tries == 0:
        time.sleep(0.005)
    assert one.accounting().by_status == {"cancelled": 1}
    assert (one.accounting().failures, one.accounting().usage_unknown) == (0, 1)


def test_a_time_out_hands_back_what_there_is(server, engine):
    server.script = [until_gone(*chat_events("a")[:2])]
    ticket = engine().submit(Request(CHAT, timeout_s=60))
    assert next(ticket.pieces()) == Piece("a")
    ticket.deadline = time.monotonic()
    done = ticket.result()
    assert (done.text, done.finish_reason, done.completion_tokens) == ("a", "timeout", 0)
    assert server.broken_off.wait(5)


def test_a_time_out_before_anything_came(server, engine):
    release = threading.Event()
    server.script = [silence(release)]
    done = engine().submit(Request(CHAT, timeout_s=0.1)).result()
    release.set()
    assert (done.text, done.finish_reason) == ("", "timeout")


def test_a_request_cancelled_while_it_waits_for_its_place(server, engine):
    server.script = [until_gone(), reply(200, chat_reply("a"))]
    one = engine(concurrency=1)
    first, second = one.submit(Request(CHAT)), one.submit(Request(CHAT))
    second.cancel()
    assert second.result().finish_reason == "cancelled"
    assert len(server.seen) <= 1
    first.cancel()
    first.result()
    assert ask(one).text == "a"


def test_closing_fails_what_is_open(server, engine):
    server.script = [until_gone()]
    one = engine()
    ticket = one.submit(Request(CHAT))
    while not server.seen:
        time.sleep(0.005)
    one.close()
    one.close()
    assert server.broken_off.wait(5)
    with pytest.raises(EngineFailure, match="closed meanwhile"):
        ticket.result()
    with pytest.raises(EngineFailure, match="is closed"):
        one.submit(Request(CHAT))


def test_closing_fails_a_question_that_another_thread_waits_for(server, engine):
    release = threading.Event()
    server.script = [silence(release)]
    one, told = engine(dialect="llama_cpp"), []

    def asking():
        with pytest.raises(EngineFailure, match="closed meanwhile") as failure:
            one.tokenize("a")
        told.append(failure.value)

    thread = threading.Thread(target=asking)
    thread.start()
    while not server.seen:
        time.sleep(0.005)
    one.close()
    thread.join(5)
    release.set()
    assert [failure.retryable for failure in told] == [True]


# where the server is, and the key


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://h:8000", "http://h:8000/v1"),
        ("http://h:8000/", "http://h:8000/v1"),
        ("http://h:8000/v1/", "http://h:8000/v1"),
        ("http://h:8000//v1", "http://h:8000/v1"),
        (" https://h/api/v1 ", "https://h/api/v1"),
        ("https://h/openai", "https://h/openai/v1"),
        ("https://h/v1beta", "https://h/v1beta"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_the_base_url_however_it_is_written(given, url):
    assert server_url(given) == url
    assert server_url(url) == url


@pytest.mark.parametrize(
    "given", ["", "h:8000", "ftp://h", "http://", "http://u:secret@h", "http://h?key=secret", "http://h:x"]
)
def test_what_is_no_base_url(given):
    with pytest.raises(HarnessError, match="base URL is none") as error:
        server_url(given)
    assert "secret" not in error.value.message


def test_url_and_key_come_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    server.script = [reply(200, chat_reply("a"))]
    one = EndpointEngine(model="m")
    assert ask(one).text == "a"
    one.close()
    assert server.seen[0].path == "/v1/chat/completions"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_given_server_gets_no_key_that_was_not_named_for_it(server, engine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTHER", "other-key")
    server.otherwise = reply(200, chat_reply("a"))
    ask(engine())
    ask(engine(key_variable="OTHER"))
    assert [seen.headers.get("authorization") for seen in server.seen] == [None, "Bearer other-key"]


def test_no_url_and_no_key_where_they_are_asked_for(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("THE_KEY", raising=False)
    with pytest.raises(HarnessError, match="OPENAI_BASE_URL is not set"):
        EndpointEngine()
    with pytest.raises(HarnessError, match="THE_KEY is not set"):
        EndpointEngine("http://h", key_variable="THE_KEY")
    monkeypatch.setenv("THE_KEY", "two words")
    with pytest.raises(HarnessError, match="THE_KEY holds no key") as error:
        EndpointEngine("http://h", key_variable="THE_KEY")
    assert "two words" not in error.value.message


def test_the_key_shows_nowhere(server, engine, monkeypatch, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("THE_KEY", KEY)
    refused = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    begun = chat_events("a")[:1]
    server.script = [
        reply(401, refused), reply(307, b"", location="http://elsewhere"), events(*begun, refused),
        events(*begun, {"error": {"code": 400, "message": KEY}}), reply(200, KEY.encode()),
    ]  # fmt: skip
    one = engine(key_variable="THE_KEY", limits=Limits(tries=1))
    shown = [repr(one), str(vars(one)), one.name]
    for expected in (HarnessError, HarnessError, EngineFailure, HarnessError, EngineFailure):
        with pytest.raises(expected) as error:
            ask(one)
        shown.append("".join(traceback.format_exception(error.value)))
    shown += [caplog.text, *capfd.readouterr()]
    assert len(server.seen) == 5
    assert all(seen.headers["authorization"] == f"Bearer {KEY}" for seen in server.seen)
    assert "[key]" in shown[3]
    assert KEY not in "\n".join(shown)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"concurrency": 0}, "concurrency is 0"), ({"dialect": "latin"}, "no dialect 'latin'")],
)
def test_a_setting_that_is_none(settings, message):
    with pytest.raises(HarnessError, match=message):
        EndpointEngine("http://h", **settings)
