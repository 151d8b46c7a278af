"""Models opened from options: this machine's at a precision, and a server's."""

import importlib.util

import pytest
from counting_server import counting_server, words_of
from fake_engine import chat

from harness.calls.opening import Local, Remote, opened
from harness.engines.protocol import EngineFailure
from harness.engines.transport import Limits
from harness.errors import HarnessError

needs_llama = pytest.mark.skipif(
    importlib.util.find_spec("llama_cpp") is None, reason="needs the extra `models`"
)
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra `models`")


def answer_of(one):
    (answer,) = one.model("task").answers([chat("say something", max_tokens=4)])
    return answer.text


@needs_llama
def test_a_model_of_this_machine_at_a_precision(tiny_model, monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    seen = {}
    for precision in ("Q8_0", "BF16"):
        with opened(Local(str(tiny_model), precision, context_tokens=64), 2) as one:
            identity = one.identity
            assert answer_of(one) == answer_of(one)
        assert (identity.model, identity.quantization, identity.endpoint) == (tiny_model.name, precision, "")
        assert identity.knows_weights
        assert identity.engine.startswith("llama.cpp (llama-cpp-python ")
        seen[precision] = identity
    assert seen["Q8_0"].weights != seen["BF16"].weights


@needs_torch
def test_a_model_with_transformers(tiny_model):
    with opened(Local(str(tiny_model), "bf16", "transformers"), 2) as one:
        assert one.identity.engine.startswith("transformers ")
        assert one.identity.knows_weights
        assert answer_of(one) == answer_of(one)
    with (
        pytest.raises(HarnessError, match="transformers has no precision 'Q8_0'"),
        opened(Local(str(tiny_model), "Q8_0", "transformers"), 1),
    ):
        pass


def test_a_model_or_precision_that_is_none(tiny_model):
    for where, message in [
        (Local("nobody"), "no model 'nobody'"),
        (Local(str(tiny_model), "Q9"), "no precision"),
    ]:
        with pytest.raises(HarnessError, match=message), opened(where, 1):
            pass


def test_a_server_from_the_environment(monkeypatch):
    with counting_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        with opened(Remote(), 2) as one:
            assert one.identity.model == "m"
            assert one.identity.endpoint == f"{server.url}/v1"
            (answer,) = one.model("task").answers([chat("hi", max_tokens=8)])
        assert answer.text.split() == words_of("w0", "hi")
    assert "sk-secret" not in str(one.identity)


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(HarnessError, match="OPENAI_BASE_URL is not set"), opened(Remote(), 1):
        pass
    with counting_server() as server:
        url = server.url
    with (
        pytest.raises(EngineFailure, match="cannot be reached"),
        opened(Remote(url, limits=Limits(tries=1)), 1),
    ):
        pass
