import numpy as np
import pytest
from scripted_server import reply, scripted_server

from harness.engines.accounting import Ledger
from harness.engines.protocol import EngineFailure, Forward
from harness.engines.transport import Limits
from harness.errors import HarnessError
from harness.extraction.retrieval.embedders import embedder, endpoint_embedder


class Letters:
    """An engine whose tokens are letters, whose last hidden state of a letter is (code, 1)."""

    name = "letters"
    context_tokens = 4

    def __init__(self, lacks=None):
        self.lacks = lacks or {}
        self.passes = []

    def tokenize(self, text):
        return [ord(letter) for letter in text]

    def forward(self, token_ids, wants, rows=()):
        assert wants == {"hidden_states"}
        self.passes.append(len(token_ids))
        last = np.array([[token, 1.0] for token in token_ids], dtype=np.float32)
        return Forward(len(token_ids), hidden_states=np.stack([np.zeros_like(last), last]))


def test_an_embedding_is_the_mean_of_the_last_hidden_states():
    assert embedder(Letters())(["ac", "b"]).tolist() == [[98.0, 1.0], [98.0, 1.0]]


def test_a_long_text_is_read_to_its_end_in_windows():
    engine = Letters()
    rows = embedder(engine)(["aaaab"])
    assert engine.passes == [4, 1]
    assert rows.tolist() == [[(4 * 97 + 98) / 5, 1.0]]
    engine.passes.clear()
    embedder(engine, window_tokens=2)(["aaaab"])
    assert engine.passes == [2, 2, 1]


def test_a_text_without_tokens_has_zeros():
    assert embedder(Letters())(["", "a"]).tolist() == [[0.0, 0.0], [97.0, 1.0]]
    assert embedder(Letters())([""]).tolist() == [[0.0]]


def test_an_engine_without_hidden_states_is_refused():
    with pytest.raises(HarnessError, match="letters: gives no hidden states: it is a server"):
        embedder(Letters({"hidden_states": "it is a server"}))


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


def rows_of(*rows):
    return reply(200, {"data": [{"index": number, "embedding": row} for number, row in rows]})


def test_a_server_is_asked_in_batches_and_its_rows_are_put_in_order(server):
    server.script = [rows_of((1, [2, 0.5]), (0, [1, 0.5])), rows_of((0, [3, 0.5]))]
    ledger = Ledger()
    embed = endpoint_embedder(server.url, "small", batch=2, ledger=ledger)
    assert embed(["a", "b", "c"]).tolist() == [[1.0, 0.5], [2.0, 0.5], [3.0, 0.5]]
    assert [each.path for each in server.seen] == ["/v1/embeddings"] * 2
    assert server.seen[0].body == {"model": "small", "input": ["a", "b"], "encoding_format": "float"}
    assert "authorization" not in {name.lower() for name in server.seen[0].headers}
    assert ledger.snapshot().requests == 2


def test_a_key_goes_along_when_its_variable_is_named(server, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "word")
    server.script = [rows_of((0, [1.0]))]
    endpoint_embedder(server.url, "small", key_variable="SOME_KEY")(["a"])
    assert server.seen[0].headers["authorization"] == "Bearer word"


def test_a_key_that_is_not_there_is_refused(server, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(HarnessError, match="SOME_KEY is not set"):
        endpoint_embedder(server.url, "small", key_variable="SOME_KEY")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"data": []},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": ["1"]}]},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": [], "embedding": [1.0]}]},
    ],
    ids=str,
)
def test_an_answer_without_its_embeddings_is_a_failure(server, body):
    server.script = [reply(200, body)]
    with pytest.raises(EngineFailure, match="without one embedding for each of 1 texts"):
        endpoint_embedder(server.url, "small")(["a"])


def test_rows_of_different_lengths_are_a_failure(server):
    server.script = [rows_of((0, [1.0]), (1, [1.0, 2.0]))]
    with pytest.raises(EngineFailure, match="different lengths"):
        endpoint_embedder(server.url, "small")(["a", "b"])


def test_a_server_that_fails_is_asked_again_and_then_a_failure(server):
    server.otherwise = reply(503, {"error": "busy"})
    limits = Limits(tries=2, first_delay_s=0.0)
    with pytest.raises(EngineFailure, match="503: busy"):
        endpoint_embedder(server.url, "small", limits=limits)(["a"])
    assert len(server.seen) == 2


def test_what_is_no_json_is_a_failure(server):
    server.otherwise = reply(200, b"<html>")
    with pytest.raises(EngineFailure, match="no JSON"):
        endpoint_embedder(server.url, "small", limits=Limits(tries=1))(["a"])


def test_no_texts_need_no_server(server):
    assert endpoint_embedder(server.url, "small")([]).shape == (0,)
    assert server.seen == []
