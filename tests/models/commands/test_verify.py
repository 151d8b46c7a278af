"""`harness models verify`: what holds, what does not, and what cannot be looked at."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.engines.protocol import EngineFailure
from harness.models.checkpoint import CONFIG, MANIFEST, WEIGHTS, folder_hashes
from harness.models.commands import verify as verify_command
from harness.models.embedded import folder_of
from harness.models.heldout.evaluation import Goal
from harness.models.heldout.parity import Parity
from harness.models.manifest import Manifest, read_manifest, write_manifest

SCORES = {"f1": 0.95, "exact": 0.5}
GOALS = {"f1": Goal(0.9)}
SAME = Parity(0.01, 0.9995, 2000, tokenizer_mismatches=0, texts=1000)
Output = pytest.CaptureFixture[str]


class Rig:
    """A project with models, and what running them finds; `ran` are the (model, prompts) that were run."""

    def __init__(self, root: Path, weights: Path) -> None:
        self.root, self.weights = root, weights
        self.scores: dict[str, float] = dict(SCORES)
        self.parity = SAME
        self.ran: list[tuple[str, int]] = []
        self.dies: set[str] = set()

    def add(self, *names: str, **changes: object) -> Path:
        """Models with a manifest that fits them but for `changes`; the last one's folder."""
        for name in names:
            folder = Path(shutil.copytree(self.weights, folder_of(name, self.root)))
            fitting = Manifest(
                name=name, recipe={}, fingerprint="", data_seed=1, steps=8, threads=1, commit="abc",
                made_with={}, files=folder_hashes(folder), prompts=40, scores=SCORES,
            )  # fmt: skip
            write_manifest(replace(fitting, **changes), folder)
        return folder

    def measured_scores(self, task: str, folder: Path, prompts: int) -> dict[str, float]:
        assert folder == folder_of(task, self.root)
        self.ran.append((task, prompts))
        if task in self.dies:
            raise EngineFailure("out of memory")
        return self.scores

    def compared(self, checkpoint: Path, gguf: Path, texts: Sequence[str], logits_of: int) -> Parity:
        assert gguf.is_file()
        assert (len(texts), logits_of) == (6, 2)
        return self.parity


@pytest.fixture
def rig(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    (tmp_path / "fixtures/models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    made = Rig(tmp_path, tiny_model)
    monkeypatch.setattr("harness.models.heldout.scores.measured_scores", made.measured_scores)
    monkeypatch.setattr("harness.models.heldout.parity.parity", made.compared)
    monkeypatch.setattr(verify_command, "PARITY_TEXTS", 6)
    monkeypatch.setattr(verify_command, "PARITY_PROMPTS", 2)
    monkeypatch.setattr(verify_command, "GOALS", dict.fromkeys(("answers", "entities", "fields"), GOALS))
    return made


def verify(*words: str) -> int:
    return main(["models", "verify", *words])


def failed(out: str) -> list[str]:
    """The first word after each FAILED."""
    return [line.split()[1] for line in out.splitlines() if line.split()[:1] == ["FAILED"]]


def test_a_model_that_holds_what_its_manifest_says(rig: Rig, capsys: Output) -> None:
    folder = rig.add("entities")
    assert verify("entities") == 0
    size = (folder / WEIGHTS).stat().st_size / 1e6
    assert capsys.readouterr().out.splitlines() == [
        f"entities: 5 files as in the manifest; {size:.2f} MB of weights, seed 1, 8 steps, commit abc",
        (
            "  ok      llama.cpp f16: largest logit difference 0.01, top-1 agreement 99.950% of "
            "2,000 tokens; token ids differ in 0 of 1,000 texts"
        ),
        "  ok      f1                               0.9500   manifest 0.9500   goal >= 0.9",
        "  ok      exact                            0.5000   manifest 0.5000",
        "  (held out, 40 prompts of each kind, greedy)",
    ]
    assert rig.ran == [("entities", 40)]


def test_a_small_model_is_really_run(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    silent = {"f1": 0.0, "exact": 0.0, "invalid_json": 1.0}
    scores = {f"{split}_{name}": s for split in ("names", "templates") for name, s in silent.items()}
    Rig(tmp_path, tiny_model).add("entities", prompts=2, scores=scores | {"removed_types_gone": 0.0})
    # no answer ends in so few tokens
    monkeypatch.setattr("harness.models.heldout.evaluation.ANSWER_TOKENS", 2)
    for name, value in {"PARITY_TEXTS": 3, "PARITY_PROMPTS": 1, "MOST_TOP1_FLIPS": 0.05}.items():
        monkeypatch.setattr(verify_command, name, value)
    monkeypatch.setattr(verify_command, "GOALS", {"entities": {}})
    monkeypatch.chdir(tmp_path)
    assert verify() == 0
    out = capsys.readouterr().out
    assert "token ids differ in 0 of 3 texts" in out
    assert out.count("ok  ") == 8


@pytest.mark.parametrize(
    ("measured", "off"),
    [
        ({"f1": 0.931}, []),
        ({"f1": 0.929}, ["f1"]),
        ({"f1": 0.971}, ["f1"]),
        ({"f1": 0.929, "exact": 0.53}, ["f1", "exact"]),
        ({"exact": math.nan}, ["exact"]),
        ({"never_recorded": 0.5}, ["never_recorded"]),
    ],
)
def test_a_score_more_than_two_points_off_fails(
    rig: Rig, capsys: Output, measured: dict[str, float], off: list[str]
) -> None:
    rig.add("entities")
    rig.scores |= measured
    assert verify() == (3 if off else 0)
    assert failed(capsys.readouterr().out) == off


def test_a_score_as_recorded_but_outside_its_goal_fails(rig: Rig, capsys: Output) -> None:
    rig.scores["f1"] = 0.89
    rig.add("entities", scores=rig.scores)
    assert verify() == 3
    assert failed(capsys.readouterr().out) == ["f1"]


@pytest.mark.parametrize("change", [{"tokenizer_mismatches": 1}, {"top1_agreement": 0.998}])
def test_another_model_in_llama_cpp_fails(rig: Rig, capsys: Output, change: dict[str, float]) -> None:
    rig.add("entities")
    rig.parity = replace(SAME, **change)
    assert verify() == 3
    assert failed(capsys.readouterr().out) == ["llama.cpp"]
    assert rig.ran == [("entities", 40)]


def damage_weights(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def name_another_model(folder: Path) -> None:
    write_manifest(replace(read_manifest(folder), name="mine"), folder)


def add_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("not listed")


def drop_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def drop_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def truncate_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"files": {}}))


@pytest.mark.parametrize("words", [(), ("--hashes-only",)])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_weights, "model.safetensors: the SHA-256 is not the one in the manifest"),
        (name_another_model, "the manifest names 'mine' (allowed: answers, entities, fields, statements)"),
        (add_file, "notes.txt is not in the manifest"),
        (drop_manifest, "manifest.json is missing"),
        (drop_config, "no model 'entities'"),
        (truncate_manifest, "no manifest of a model"),
    ],
)
def test_files_that_are_not_those_of_the_manifest(
    rig: Rig, capsys: Output, damage: object, said: str, words: tuple[str, ...]
) -> None:
    assert callable(damage)
    damage(rig.add("entities"))
    assert verify(*words) == 4
    assert said in capsys.readouterr().err
    assert rig.ran == []


def test_a_recorded_score_that_nothing_measures_is_bad_input(rig: Rig, capsys: Output) -> None:
    rig.add("entities", scores=SCORES | {"charm": 0.9})
    assert verify() == 4
    assert "records charm, which nothing measures" in capsys.readouterr().err


@pytest.mark.parametrize(("damaged", "code"), [("answers", 4), ("fields", 4), ("", 0)])
def test_a_damaged_model_does_not_stop_the_others(rig: Rig, capsys: Output, damaged: str, code: int) -> None:
    rig.add("answers", "entities", "fields")
    if damaged:
        damage_weights(folder_of(damaged, rig.root))
    assert verify() == code
    sound = [name for name in ("answers", "entities", "fields") if name != damaged]
    assert rig.ran == [(name, 40) for name in sound]
    out = capsys.readouterr().out
    assert all(f"{name}: 5 files as in the manifest" in out for name in sound)
    assert not damaged or f"{damaged}: " in out


def test_an_engine_that_dies_is_no_finding_about_the_model(rig: Rig, capsys: Output) -> None:
    rig.add("entities", "fields")
    rig.dies = {"entities"}
    assert verify() == 21
    assert rig.ran == [("entities", 40), ("fields", 40)]
    assert capsys.readouterr().err == "harness: out of memory\n"


def test_hashes_alone_run_no_model(rig: Rig, capsys: Output) -> None:
    rig.add("answers", "entities")
    assert verify("--hashes-only") == 0
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines()] == ["answers", "entities"]
    assert rig.ran == []


def test_only_the_models_that_are_named(rig: Rig) -> None:
    rig.add("answers", "entities")
    damage_weights(folder_of("answers", rig.root))
    assert verify("entities") == 0
    assert rig.ran == [("entities", 40)]


def test_an_unknown_model_is_refused_with_those_there_are(rig: Rig, capsys: Output) -> None:
    rig.add("entities")
    assert verify("entity") == 4
    assert "no model 'entity' (allowed: entities, the path of a checkpoint folder)" in capsys.readouterr().err


@pytest.mark.usefixtures("rig")
def test_no_model_at_all_is_not_sound(capsys: Output) -> None:
    assert verify() == 4
    assert "git checkout -- fixtures/models" in capsys.readouterr().err
