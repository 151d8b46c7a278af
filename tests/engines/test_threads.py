"""How many CPU threads an engine takes where nobody says."""

import os

import pytest

from harness.engines import threads
from harness.engines.server_kinds import ServerSpec, launch


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    return file


def test_a_small_model_takes_one_thread_and_a_large_one_every_core(small, monkeypatch):
    assert threads.is_small(small)
    assert threads.is_small(small.parent)
    assert threads.default_threads(small) == 1
    monkeypatch.setattr(threads, "SMALL_BYTES", 64)
    assert not threads.is_small(small)
    assert threads.default_threads(small) == os.cpu_count()


def test_the_files_of_a_folder_count_together(tmp_path, monkeypatch):
    for name in ("a.safetensors", "b.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(bytes(10))
    monkeypatch.setattr(threads, "SMALL_BYTES", 21)
    assert threads.is_small(tmp_path)
    monkeypatch.setattr(threads, "SMALL_BYTES", 20)
    assert not threads.is_small(tmp_path)


def test_weights_that_are_not_here_are_not_small(tmp_path):
    assert not threads.is_small(tmp_path)
    assert not threads.is_small(tmp_path / "nothing")


def test_a_server_gets_one_thread_for_a_small_model_unless_told(small):
    assert launch(ServerSpec(small), 8000).environment["OMP_NUM_THREADS"] == "1"
    assert "--threads=1" in launch(ServerSpec(small), 8000).command
    assert launch(ServerSpec(small, threads=3), 8000).environment["OMP_NUM_THREADS"] == "3"
