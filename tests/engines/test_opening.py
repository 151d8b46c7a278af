"""Engines that are opened for a measurement do not pile up."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest

from harness.engines import vllm
from harness.engines.opening import KEPT, checkpoint_path, close_all, opened, serving_engine
from harness.errors import HarnessError
from harness.hardware import load_matrix
from harness.hardware.rows import Checkpoint


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def engine(self, name: str) -> Iterator[str]:
        self.lines.append(f"open {name}")
        try:
            yield name
        finally:
            self.lines.append(f"close {name}")


@pytest.fixture
def log() -> Iterator[Log]:
    close_all()
    yield Log()
    close_all()


def test_two_stay_open_and_the_oldest_closes_before_the_next_opens(log):
    assert [opened(partial(log.engine, name)) for name in "abc"] == ["a", "b", "c"]
    assert log.lines == ["open a", "open b", "close a", "open c"]
    assert KEPT == 2


def test_one_that_needs_the_card_alone_closes_all_others_first(log):
    for name in "ab":
        opened(partial(log.engine, name))
    opened(partial(log.engine, "c"), kept=1)
    opened(partial(log.engine, "d"))
    assert log.lines == ["open a", "open b", "close a", "close b", "open c", "open d"]


def test_all_close_at_the_end(log):
    for name in "ab":
        opened(partial(log.engine, name))
    close_all()
    assert log.lines[2:] == ["close a", "close b"]


def test_one_that_does_not_open_leaves_nothing_behind(log):
    @contextmanager
    def broken() -> Iterator[str]:
        raise OSError("no room")
        yield ""

    opened(partial(log.engine, "a"))
    with pytest.raises(OSError, match="no room"):
        opened(broken)
    opened(partial(log.engine, "b"))
    assert "close a" not in log.lines


ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows


def checkpoint(location: str, engine: str = "vllm") -> Checkpoint:
    return Checkpoint("role", "prompts", ("l4",), location, "", "fp8", engine, 4.0, "fetch it so")


def test_a_serving_engine_is_vllm_as_the_row_documents_it(monkeypatch, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    loaded = []
    monkeypatch.setattr(vllm, "load", lambda settings: loaded.append(settings) or nullcontext())
    serving_engine(checkpoint(str(tmp_path)), ROWS["l4"], max_num_seqs=32)
    (settings,) = loaded
    assert (settings.model, settings.max_num_seqs) == (str(tmp_path), 32)
    assert (settings.max_model_len, settings.gpu_memory_utilization) == (4096, 0.95)


def test_a_server_that_runs_keeps_its_settings():
    at = checkpoint("http://127.0.0.1:9", "endpoint")
    with serving_engine(at, ROWS["l4"]) as engine:
        assert "vllm" in engine.name
    with pytest.raises(HarnessError, match="the settings max_num_seqs of a server that is running cannot"):
        serving_engine(at, ROWS["l4"], max_num_seqs=32)


def test_missing_weights_are_named_with_their_supply(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(HarnessError, match="fetch it so"):
        checkpoint_path(checkpoint("someone/model"))
