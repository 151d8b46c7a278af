import signal
import sys
from pathlib import Path

import pytest

from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.models.checkpoint import save_checkpoint
from harness.models.gguf import quantize as module
from harness.models.gguf.file import read_gguf
from harness.models.gguf.quantize import PRECISIONS, cache_folder, quantize


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    return folder


def test_every_precision_is_what_it_says(tiny_model: Path, tiny_q4: Path, cache: Path) -> None:
    sizes = {}
    for precision in PRECISIONS:
        found = read_gguf(quantize(tiny_model, precision))
        assert found.precision == precision
        assert found.fallbacks == ()
        sizes[precision] = found.size_bytes
    assert sizes["F32"] > sizes["F16"] == sizes["BF16"] > sizes["Q8_0"] > sizes["Q6_K"] > sizes["Q5_K_M"]
    assert sizes["Q5_K_M"] > sizes["Q4_K_M"] > sizes["Q3_K_M"] > sizes["Q2_K"] > sizes["TQ2_0"]
    assert len(list(cache.iterdir())) == len(PRECISIONS)
    # made twice, the same bytes
    assert quantize(tiny_model, "Q4_K_M").read_bytes() == tiny_q4.read_bytes()


def test_made_once_and_then_found(tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = quantize(tiny_model, "Q8_0")
    assert first.parent == cache

    def never(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(module, "run_llama_quantize", never)
    assert quantize(tiny_model, "Q8_0") == first
    out = cache.parent / "deep" / "mine.gguf"
    assert quantize(tiny_model, "Q8_0", out) == out
    assert out.read_bytes() == first.read_bytes()
    monkeypatch.setattr(module, "version", lambda _: "another llama.cpp")
    with pytest.raises(AssertionError, match="made again"):
        quantize(tiny_model, "Q8_0")


def test_rows_that_no_block_divides_are_named(tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=384, hidden_size=192, intermediate_size=256, num_hidden_layers=1, num_attention_heads=3,
        num_key_value_heads=3, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    save_checkpoint(Qwen2ForCausalLM(config), tokenizer, "", tmp_path / "narrow")
    found = read_gguf(quantize(tmp_path / "narrow", "Q4_K_M", tmp_path / "narrow.gguf"))
    fallen = {line.split()[0] for line in found.fallbacks}
    assert "blk.0.attn_q.weight" in fallen
    assert "blk.0.ffn_down.weight" not in fallen
    assert all("192 is no multiple of 256" in line for line in found.fallbacks)


def test_an_unknown_precision(tiny_model: Path) -> None:
    with pytest.raises(HarnessError, match=r"'Q7_K' is no precision \(allowed: F32.*TQ2_0\)"):
        quantize(tiny_model, "Q7_K")


def test_a_source_that_llama_cpp_cannot_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineFailure, match=r"Q8_0: the quantization failed: .+"):
        module.run_llama_quantize(broken, tmp_path / "out.gguf", "Q8_0")


@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGILL, "compiled for another CPU.*make install EXTRA=models"), (signal.SIGKILL, "by SIGKILL")],
)
def test_a_crash_is_the_error_of_that_precision(
    tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, message: str
) -> None:
    dies = cache.parent / "python"
    dies.write_text(f"#!/bin/sh\nkill -{int(number)} $$\n")
    dies.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dies))
    with pytest.raises(EngineFailure, match=f"Q6_K: .*{message}"):
        quantize(tiny_model, "Q6_K")
    assert list(cache.iterdir()) == []


def test_where_the_cache_is() -> None:
    assert cache_folder({"HARNESS_CACHE": "/somewhere"}) == Path("/somewhere")
    assert cache_folder({}).parts[-2:] == ("build", "models")
