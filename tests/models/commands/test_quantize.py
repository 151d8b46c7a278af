"""`harness models quantize`: what it writes and says, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.engines.protocol import EngineFailure
from harness.models.checkpoint import WEIGHTS
from harness.models.gguf import quantize as module
from harness.models.gguf.file import read_gguf
from harness.models.gguf.quantize import PRECISIONS

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of all tests of this file, so that one quantization is enough."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder))
        yield folder


def quantize(*words: object) -> int:
    return main(["models", "quantize", *map(str, words)])


def failing(source: Path, out: Path, to: str) -> None:
    out.write_bytes(b"half of it")
    raise EngineFailure(f"{to}: the quantization was killed by SIGKILL")


def never(*_: object) -> None:
    raise AssertionError("quantized again")


def test_it_says_where_how_large_and_of_which_types(
    tiny_model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert quantize(tiny_model, "--to", "q4_k_m") == 0
    (path,) = cache.iterdir()
    size = f"{path.stat().st_size / 1e6:.2f} MB"
    assert capsys.readouterr().out == f"{path}  {size}  (11 F32, 12 Q4_K, 3 Q6_K)\n"
    assert read_gguf(path).precision == "Q4_K_M"

    monkeypatch.setattr(module, "run_llama_quantize", never)
    out = tmp_path / "deep" / "mine.gguf"
    assert quantize(tiny_model, "--to", "Q4_K_M", "--out", out) == 0
    assert capsys.readouterr().out.startswith(f"{out}  {size}  (")
    assert out.read_bytes() == path.read_bytes()
    assert list(out.parent.iterdir()) == [out]


def test_out_alone_leaves_the_cache_as_it_is(
    tiny_model: Path, cache: Path, tmp_path: Path, capsys: Output
) -> None:
    before = sorted(cache.iterdir())
    out = tmp_path / "mine.gguf"
    assert quantize(tiny_model, "--to", "BF16", "--out", out) == 0
    assert capsys.readouterr().out.startswith(f"{out}  ")
    assert read_gguf(out).precision == "BF16"
    assert sorted(cache.iterdir()) == before


def test_rows_that_no_block_divides_are_named(
    tiny_model: Path, tiny_q4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    fallen = replace(
        read_gguf(tiny_q4), fallbacks=("blk.0.attn_q.weight is Q5_0: 192 is no multiple of 256",)
    )
    monkeypatch.setattr("harness.models.gguf.file.read_gguf", lambda path: fallen)
    assert quantize(tiny_model, "--to", "BF16", "--out", tmp_path / "out.gguf") == 0
    _, *said = capsys.readouterr().out.splitlines()
    assert said == ["not Q4_K_M: blk.0.attn_q.weight is Q5_0: 192 is no multiple of 256"]


def test_an_unknown_precision_is_refused_with_those_there_are(tiny_model: Path, capsys: Output) -> None:
    assert quantize(tiny_model, "--to", "foo") == 4
    err = capsys.readouterr().err
    assert err.startswith("harness: --to: 'FOO' is no precision (allowed: ")
    assert all(precision in err for precision in PRECISIONS)


def test_no_precision_at_all_is_bad_input(tiny_model: Path, capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        quantize(tiny_model)
    assert caught.value.code == 4
    assert "--to" in capsys.readouterr().err


def test_an_unknown_model_is_refused(capsys: Output) -> None:
    assert quantize("nobody", "--to", "Q8_0") == 4
    assert "no model 'nobody' (allowed: " in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused(tiny_model: Path, tmp_path: Path, capsys: Output) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "damaged"))
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
    assert quantize(folder, "--to", "Q8_0", "--out", tmp_path / "out.gguf") == 4
    assert "model.safetensors: truncated or damaged" in capsys.readouterr().err
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("to_cache", [True, False])
def test_a_failure_is_infrastructure_and_leaves_nothing_behind(
    tiny_model: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    to_cache: bool,
) -> None:
    before = sorted(cache.iterdir())
    monkeypatch.setattr(module, "run_llama_quantize", failing)
    words = [] if to_cache else ["--out", tmp_path / "out.gguf"]
    assert quantize(tiny_model, "--to", "Q2_K", *words) == 21
    assert capsys.readouterr().err == (
        f"harness: {tiny_model}: Q2_K: the quantization was killed by SIGKILL\n"
    )
    assert sorted(cache.iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_file(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "run_llama_quantize", failing)
    out = tmp_path / "out.gguf"
    out.write_bytes(b"older")
    assert quantize(tiny_model, "--to", "Q2_K", "--out", out) == 21
    assert out.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("place", ["file/out.gguf", "file/deep/out.gguf", "folder"])
def test_a_place_that_cannot_be_written_is_bad_input(
    tiny_model: Path, tmp_path: Path, capfd: Output, place: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    assert quantize(tiny_model, "--to", "BF16", "--out", tmp_path / place) == 4
    err = capfd.readouterr().err
    assert str(tmp_path / place.split("/")[0]) in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
