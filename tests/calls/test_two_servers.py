"""Servers of one model name and other weights never share an answer, whatever cache they share."""

import pytest
from call_faults import requests_of
from counting_server import counting_server, words_of

from harness.calls.cache import ResponseCache
from harness.calls.opening import Remote, opened

TEXTS = tuple(f"entry {number}" for number in range(5))


def ask(server, cache, **settings):
    """(answers, their sources, whether the weights are known)."""
    with opened(Remote(server.url, "m", **settings), 2) as one:
        answers = one.model("task", cache=cache).answers(requests_of(TEXTS))
        return [a.text for a in answers], {a.source for a in answers}, one.identity.knows_weights


def right(weights):
    return ["".join(f"{word} " for word in words_of(weights, text)) for text in TEXTS]


@pytest.fixture
def cache(tmp_path):
    return ResponseCache(tmp_path)


def test_two_servers_share_nothing(cache):
    with counting_server(weights="fp8") as one, counting_server(weights="q4") as other:
        assert ask(one, cache) == (right("fp8"), {"engine"}, False)
        assert ask(other, cache) == (right("q4"), {"engine"}, False)
        assert ask(one, cache) == (right("fp8"), {"cache"}, False)
        assert ask(other, cache) == (right("q4"), {"cache"}, False)
        assert one.asked.total() == other.asked.total() == len(TEXTS)


def restarted(port, weights, **listed):
    """A server with other weights on the same port."""
    return counting_server(port, weights=weights, listed={"id": "m", "max_model_len": 64, **listed})


def test_a_server_started_again_with_weights_that_it_tells(cache):
    with counting_server(weights="fp8", listed={"id": "m", "meta": {"size": 8}}) as server:
        port = int(server.url.rpartition(":")[2])
        ask(server, cache)
    with restarted(port, "q4", meta={"size": 4}) as server:
        assert ask(server, cache) == (right("q4"), {"engine"}, False)


def test_a_server_started_again_with_weights_that_the_user_declares(cache):
    with counting_server(weights="fp8") as server:
        port = int(server.url.rpartition(":")[2])
        assert ask(server, cache, weights="fp8") == (right("fp8"), {"engine"}, True)
    with restarted(port, "q4") as server:
        assert ask(server, cache, weights="q4") == (right("q4"), {"engine"}, True)


def test_without_a_cache_the_server_is_asked_each_time():
    with counting_server() as server:
        ask(server, None)
        ask(server, None)
        assert server.asked.total() == 2 * len(TEXTS)
