from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.models.gguf.file import read_gguf


def test_what_a_file_holds(tiny_q4: Path) -> None:
    found = read_gguf(tiny_q4)
    assert (found.architecture, found.precision, found.context_tokens) == ("qwen2", "Q4_K_M", 2048)
    assert found.types == {"F32": 11, "Q4_K": 12, "Q6_K": 3}
    assert found.fallbacks == ()
    assert found.size_bytes == tiny_q4.stat().st_size


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such file"):
        read_gguf(tmp_path / "nothing.gguf")


@pytest.mark.parametrize("kept", [0, 3, 40, 3000, 20_000, -1000])
def test_a_truncated_file(tiny_gguf: Path, tmp_path: Path, kept: int) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_gguf.read_bytes()[:kept])
    with pytest.raises(HarnessError, match="truncated, damaged or no GGUF"):
        read_gguf(cut)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "picture.gguf"
    path.write_bytes(b"\x89PNG" + bytes(4096))
    with pytest.raises(HarnessError, match="truncated, damaged or no GGUF"):
        read_gguf(path)


def test_damaged_keys(tiny_gguf: Path, tmp_path: Path) -> None:
    content = bytearray(tiny_gguf.read_bytes())
    content[24:64] = b"\xff" * 40
    path = tmp_path / "damaged.gguf"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match="truncated, damaged or no GGUF"):
        read_gguf(path)


def test_another_architecture(tmp_path: Path) -> None:
    import gguf
    import numpy as np

    path = tmp_path / "gpt2.gguf"
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_file_type(1)
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(HarnessError, match=r"architecture is 'gpt2' \(allowed: qwen2, qwen3, llama\)"):
        read_gguf(path)
