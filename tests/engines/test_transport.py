"""Retries, what they wait, and what is counted; against a server that answers as told."""

import asyncio
import email.utils
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import chat_reply, reply, scripted_server, silence

from harness.engines.accounting import Accounting, Ledger
from harness.engines.protocol import EngineFailure
from harness.engines.transport import Limits, Transport, delay_s, error_message, retry_after_s
from harness.errors import HarnessError

KEY = "sk-do-not-show-me"
BODY = {"prompt": "é"}
SIZE = len('{"prompt": "é"}'.encode())


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


async def whole(chunks, content_type):
    return b"".join([chunk async for chunk in chunks])


def ask(server, **settings):
    """(What came back or was raised, the waits, the accounting) of one request."""
    waits, ledger = [], Ledger()

    async def wait(seconds):
        waits.append(seconds)

    async def once():
        transport = Transport(
            getattr(server, "url", server), ledger, KEY, "THE_KEY", sleep=wait, now=lambda: 1000.0, **settings
        )
        try:
            return await transport.ask("POST", "/v1/completions", BODY, whole)
        except (EngineFailure, HarnessError) as error:
            return error
        finally:
            await transport.close()

    return asyncio.run(once()), waits, ledger.snapshot()


def test_an_answer_at_once(server):
    server.script = [reply(200, chat_reply("hi"))]
    answer, waits, counted = ask(server)
    assert b'"hi"' in answer
    assert waits == []
    assert counted == Accounting(
        requests=1, bytes_sent=SIZE, bytes_received=server.sent, by_status={"200": 1}
    )
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.seen[0].body == BODY


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(server, status):
    server.script = [reply(status, {"error": "busy"})] * 2 + [reply(200, b"{}")]
    answer, waits, counted = ask(server)
    assert answer == b"{}"
    assert waits == [delay_s(Limits(), 1, tried, None) for tried in (1, 2)]
    assert (counted.requests, counted.retries, counted.failures, counted.tries) == (1, 2, 0, 3)
    assert counted.by_status == {str(status): 2, "200": 1}
    assert counted.bytes_sent == 3 * SIZE
    assert counted.bytes_received == server.sent


def test_tries_are_bounded(server):
    server.otherwise = reply(500, {"error": {"message": "out of order", "code": 500}})
    failure, waits, counted = ask(server)
    assert isinstance(failure, EngineFailure)
    assert failure.retryable
    assert str(failure) == f"{server.url}: answers 500: out of order (4 tries)"
    assert len(waits) == counted.retries == 3
    assert len(server.seen) == 4
    assert counted.by_status == {"500": 4}
    assert (counted.failures, counted.bytes_received) == (1, server.sent)


@pytest.mark.parametrize(
    ("header", "wait"),
    [("7", 7.0), ("3600", 60.0), (email.utils.formatdate(1012, usegmt=True), 12.0), ("0", 0.0)],
)
def test_retry_after_is_waited_up_to_a_limit(server, header, wait):
    server.script = [reply(429, b"", retry_after=header), reply(200, b"{}")]
    answer, waits, _ = ask(server)
    assert (answer, waits) == (b"{}", [wait])


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "check the prompt's length"),
        (401, "environment variable THE_KEY"),
        (403, "environment variable THE_KEY"),
        (404, "check the base URL"),
        (422, "the dialect"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(server, status, advice):
    server.script = [reply(status, {"error": {"message": f"no: {KEY}\x1b[31m\n"}})]
    error, waits, counted = ask(server)
    assert isinstance(error, HarnessError)
    assert f"answers {status}: no: [key] [31m" in error.message
    assert advice in error.message
    assert KEY not in error.message
    assert (waits, counted.by_status, counted.failures) == ([], {str(status): 1}, 1)


def test_a_redirect_is_not_followed(server):
    with scripted_server() as other:
        server.script = [reply(307, b"", location=f"{other.url}/{KEY}")]
        error, _, counted = ask(server)
        assert other.seen == []
    assert isinstance(error, HarnessError)
    assert f"redirects to {other.url}/[key]" in error.message
    assert counted.by_status == {"307": 1}


def test_another_success_is_no_answer(server):
    server.script = [reply(202, b"")]
    error, _, _ = ask(server)
    assert isinstance(error, EngineFailure)
    assert "answers 202" in str(error)


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    failure, waits, counted = ask(f"http://127.0.0.1:{port}")
    assert isinstance(failure, EngineFailure)
    assert failure.retryable
    assert "cannot be reached" in str(failure)
    assert len(waits) == 3
    assert counted == Accounting(requests=1, retries=3, failures=1, by_status={"not reached": 4})


def test_a_server_that_is_silent(server):
    release = threading.Event()
    server.script = [silence(release), reply(200, b"{}")]
    answer, waits, counted = ask(server, limits=Limits(idle_s=1.0))
    release.set()
    assert (answer, len(waits)) == (b"{}", 1)
    assert counted.by_status == {"time-out": 1, "200": 1}
    assert counted.bytes_sent == 2 * SIZE


def test_a_connection_that_breaks(server):
    release = threading.Event()
    release.set()
    server.otherwise = silence(release)
    failure, _, counted = ask(server, limits=Limits(tries=1))
    assert isinstance(failure, EngineFailure)
    assert "the connection broke" in str(failure)
    assert str(failure).endswith("(1 try)")
    assert counted.by_status == {"broken answer": 1}


def test_an_answer_beyond_its_limit(server):
    server.script = [reply(200, b"x" * 3_000_000)]
    failure, _, counted = ask(server, limits=Limits(answer_bytes=100_000))
    assert isinstance(failure, EngineFailure)
    assert "over 100000 bytes" in str(failure)
    assert counted.bytes_received < 3_000_000
    assert counted.tries == 1


def test_a_long_refusal_is_cut(server):
    server.script = [reply(400, b"y" * 1_000_000)]
    error, _, _ = ask(server)
    assert len(error.message) < 600


@given(st.integers(1, 60), st.integers(1, 10**6), st.integers(0, 2**32))
def test_delays_grow_to_their_limit_and_are_the_same_again(tried, request, seed):
    limits = Limits(seed=seed)
    full = min(limits.first_delay_s * 2 ** (tried - 1), limits.longest_delay_s)
    delay = delay_s(limits, request, tried, None)
    assert full / 2 <= delay <= full
    assert delay == delay_s(Limits(seed=seed), request, tried, None)


def test_jitter_differs_between_requests():
    assert len({delay_s(Limits(), request, 1, None) for request in range(100)}) == 100


@pytest.mark.parametrize("header", [None, "", "soon", "-3", "1.5", "Tue, 99 Foo 2020 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing(header):
    assert retry_after_s(header, 0.0) is None


def test_a_date_that_is_over_asks_for_no_wait():
    assert retry_after_s(email.utils.formatdate(10, usegmt=True), 20.0) == 0.0


@pytest.mark.parametrize(
    "document",
    [{"error": {"message": "why"}}, {"error": "why"}, {"detail": "why"}, {"message": "why"}, "why"],
)
def test_the_servers_ways_to_write_an_error(document):
    assert error_message(document) == "why"


def test_the_key_is_in_no_repr():
    assert KEY not in repr(Transport("http://localhost", Ledger(), KEY))
