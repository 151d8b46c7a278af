"""`harness models train`: weights and manifest from one command, and again from where it stopped."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from models_toy import TOY, ScriptedEngine

from harness.cli import main
from harness.errors import HarnessError
from harness.models.checkpoint import MANIFEST, read_checkpoint
from harness.models.commands import train as train_command
from harness.models.heldout.evaluation import evaluate
from harness.models.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("one_thread")
Train = Callable[..., int]


def scores_of_a_silent_engine(task: str, folder: Path, prompts: int) -> dict[str, float]:
    read_checkpoint(folder)
    return evaluate("entities", ScriptedEngine(lambda prompt: ("{}", "stop")), 3)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """The command with the toy recipe, its folders and other options."""
    monkeypatch.setattr(train_command, "RECIPES", {"toy": TOY})
    monkeypatch.setattr("harness.models.heldout.scores.measured_scores", scores_of_a_silent_engine)
    parser = argparse.ArgumentParser(exit_on_error=False)
    train_command.add_options(parser)
    folders = ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]

    def run(*words: str) -> int:
        options = parser.parse_args(["toy", *folders, "--threads", "1", *words])
        return int(options.run(options))

    return run


def test_it_writes_weights_and_a_manifest_that_fits_them(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    model = read_checkpoint(tmp_path / "out")
    assert (model.shape.hidden, model.shape.layers, model.shape.vocabulary) == (64, 2, 300)
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.name, manifest.steps, manifest.threads) == ("toy", TOY.steps, 1)
    assert manifest.scores["names_f1"] == 0.0
    assert "model.safetensors" in manifest.files
    out = capsys.readouterr().out
    assert out.startswith(f"toy: step 0 of {TOY.steps}; state in ")
    assert out.endswith(f"weights and manifest: {tmp_path / 'out'}\n")


def test_a_second_call_goes_on_from_the_state_and_gives_the_same_files(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train()
    first = read_manifest(tmp_path / "out")
    train()
    assert f"toy: step {TOY.steps} of {TOY.steps}; " in capsys.readouterr().out
    assert read_manifest(tmp_path / "out") == first


def test_the_manifest_of_older_weights_does_not_refuse_the_new_ones(train: Train, tmp_path: Path) -> None:
    train()
    manifest = tmp_path / "out" / MANIFEST
    old = json.loads(manifest.read_text())
    old["files"]["model.safetensors"] = "0" * 64
    manifest.write_text(json.dumps(old))
    assert train() == 0
    read_checkpoint(tmp_path / "out")


def test_weights_that_could_not_be_scored_have_no_manifest(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train()

    def failing(task: str, folder: Path, prompts: int) -> dict[str, float]:
        raise HarnessError("out of luck")

    monkeypatch.setattr("harness.models.heldout.scores.measured_scores", failing)
    with pytest.raises(HarnessError, match="out of luck"):
        train()
    assert not (tmp_path / "out" / MANIFEST).exists()


@pytest.mark.parametrize("threads", ["0", "-2"])
def test_a_wrong_number_of_threads_is_refused(train: Train, tmp_path: Path, threads: str) -> None:
    with pytest.raises(HarnessError, match=f"--threads {threads} .allowed: 1 and above"):
        train("--threads", threads)
    assert not (tmp_path / "work").exists()


def test_a_device_that_is_not_there_is_refused(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(HarnessError, match="no CUDA device"):
        train("--device", "cuda")


def test_missing_packages_are_named_with_their_extra(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_command, "find_spec", lambda name: None)
    with pytest.raises(HarnessError, match="make install EXTRA=models"):
        train()


def test_an_unknown_name_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["models", "train", "nope"])
    assert caught.value.code == 4
    assert "nope" in capsys.readouterr().err
