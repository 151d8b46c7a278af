"""What a server says of its model, and servers that do not say."""

import pytest
from scripted_server import reply, scripted_server

from harness.calls.listing import listed_model
from harness.engines.protocol import EngineFailure
from harness.engines.transport import Limits
from harness.errors import HarnessError

LISTED = {"data": [{"id": "first", "max_model_len": 5}, {"id": "second"}, "odd"]}
ONCE = Limits(tries=1)


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


@pytest.mark.parametrize(
    ("model", "found"),
    [("", LISTED["data"][0]), ("second", {"id": "second"}), ("other", {"id": "other"})],
)
def test_the_model_asked_for_or_the_first(server, model, found):
    server.script = [reply(200, LISTED)]
    assert listed_model(f"{server.url}/v1", model) == found
    assert [(seen.method, seen.path) for seen in server.seen] == [("GET", "/v1/models")]


@pytest.mark.parametrize(("status", "body"), [(404, b""), (405, b""), (200, {}), (200, {"data": 5})])
def test_a_server_that_lists_nothing(server, status, body):
    server.script = [reply(status, body)] * 2
    assert listed_model(server.url, "m") == {"id": "m"}
    with pytest.raises(HarnessError, match="name the model"):
        listed_model(server.url)


def test_failures_and_refusals_are_passed_on(server, monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-secret\n")
    server.script = [reply(500, b""), reply(401, {"error": "no: sk-secret"}), reply(200, b"<html>")]
    with pytest.raises(EngineFailure, match="answers 500"):
        listed_model(server.url, limits=ONCE)
    with pytest.raises(HarnessError, match="variable THE_KEY") as error:
        listed_model(server.url, key_variable="THE_KEY")
    assert "sk-secret" not in error.value.message
    with pytest.raises(EngineFailure, match="no JSON"):
        listed_model(server.url)
    keys = [seen.headers.get("authorization") for seen in server.seen]
    assert keys == [None, "Bearer sk-secret", None]
