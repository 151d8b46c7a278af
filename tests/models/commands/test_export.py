"""`harness models export`: what it writes and says, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.models.checkpoint import CONFIG
from harness.models.gguf.file import read_gguf

Output = pytest.CaptureFixture[str]


def export(*words: object) -> int:
    return main(["models", "export", *map(str, words)])


def test_f16_named_after_the_folder_in_the_current_one(
    tiny_model: Path, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export(tiny_model) == 0
    (out,) = tmp_path.iterdir()
    assert out.name == "tiny-f16.gguf"
    assert out.read_bytes() == tiny_gguf.read_bytes()
    assert capsys.readouterr().out == f"{out.name}  {out.stat().st_size / 1e6:.2f} MB\n"


@pytest.mark.parametrize("to", ["f32", "f16", "bf16"])
def test_out_is_honoured_and_its_folder_made(
    tiny_model: Path, tmp_path: Path, capsys: Output, to: str
) -> None:
    out = tmp_path / "deep" / "mine.gguf"
    assert export(tiny_model, "--to", to, "--out", out) == 0
    assert read_gguf(out).precision == to.upper()
    assert capsys.readouterr().out.startswith(f"{out}  ")
    assert list(out.parent.iterdir()) == [out]


def test_a_shipped_model_by_name(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny_model, tmp_path / "fixtures/models/fields")
    monkeypatch.chdir(tmp_path)
    assert export("fields", "--to", "bf16") == 0
    assert read_gguf(tmp_path / "fields-bf16.gguf").precision == "BF16"


def test_an_unknown_precision_is_refused_with_those_there_are(tiny_model: Path, capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        export(tiny_model, "--to", "Q4_K_M")
    assert caught.value.code == 4
    err = capsys.readouterr().err
    assert "Q4_K_M" in err
    assert all(precision in err for precision in ("f32", "f16", "bf16"))


def test_an_unknown_model_is_refused(capsys: Output) -> None:
    assert export("nobody") == 4
    assert "no model 'nobody' (allowed: " in capsys.readouterr().err


def test_a_damaged_checkpoint_writes_nothing(tiny_model: Path, tmp_path: Path, capsys: Output) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "damaged"))
    (folder / CONFIG).write_text("{")
    assert export(folder, "--out", tmp_path / "out.gguf") == 4
    assert "no readable JSON" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


@pytest.mark.parametrize("place", ["file/out.gguf", "file/deep/out.gguf", "folder"])
def test_a_place_that_cannot_be_written_is_bad_input(
    tiny_model: Path, tmp_path: Path, capfd: Output, place: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    assert export(tiny_model, "--out", tmp_path / place) == 4
    err = capfd.readouterr().err
    assert str(tmp_path / place.split("/")[0]) in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
