"""The manifest: what it says, when it is none, and what differs from it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from models_toy import TOY

from harness.errors import HarnessError
from harness.models.checkpoint import MANIFEST, check_hashes
from harness.models.manifest import (
    Manifest,
    commit_of,
    deviations,
    manifest_of,
    read_manifest,
    write_manifest,
)
from harness.models.training.trainer import fingerprint

SCORES = {"names_f1": 0.93456789, "templates_f1": 0.9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.txt").write_text("first")
    (tmp_path / "weights" / "b.txt").write_text("second")
    return tmp_path / "weights"


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    made = manifest_of(TOY, folder, threads=2, commit="abc", prompts=500, scores=SCORES)
    write_manifest(made, folder)
    return made


def test_it_says_how_the_weights_were_made(manifest: Manifest) -> None:
    import torch

    assert (manifest.name, manifest.data_seed, manifest.steps) == ("toy", TOY.seed, TOY.steps)
    assert (manifest.threads, manifest.prompts) == (2, 500)
    assert manifest.recipe["learning_rate"] == TOY.learning_rate
    assert manifest.fingerprint == fingerprint(TOY)
    assert manifest.made_with["torch"] == torch.__version__
    assert set(manifest.files) == {"a.txt", "b.txt"}
    assert manifest.scores == {"names_f1": 0.9346, "templates_f1": 0.9}


def test_it_comes_back_as_it_was_written(manifest: Manifest, folder: Path) -> None:
    found = read_manifest(folder)
    # tuples of the recipe are lists in JSON
    assert json.loads(json.dumps(manifest.recipe)) == found.recipe
    assert replace(found, recipe=manifest.recipe) == manifest
    before = (folder / MANIFEST).read_bytes()
    write_manifest(found, folder)
    assert (folder / MANIFEST).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt", MANIFEST]


@pytest.mark.usefixtures("manifest")
def test_a_changed_or_missing_file_is_found(folder: Path) -> None:
    check_hashes(folder)
    (folder / "a.txt").write_text("fIrst")
    with pytest.raises(HarnessError, match="SHA-256") as caught:
        check_hashes(folder)
    assert "a.txt" in caught.value.message
    (folder / "a.txt").unlink()
    with pytest.raises(HarnessError, match=r"a\.txt.*missing"):
        check_hashes(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mood": "good"}, "mood"),
        ({"prompts": "500"}, "`prompts` is no int"),
        ({"steps": True}, "`steps` is no int"),
        ({"name": None}, "`name` is no str"),
        ({"scores": {"f1": "high"}}, "`scores` is no Mapping"),
        ({"scores": [0.9]}, "`scores` is no Mapping"),
        ({"files": {"a.txt": 1}}, "`files` is no Mapping"),
    ],
)
@pytest.mark.usefixtures("manifest")
def test_what_is_no_manifest_is_refused(folder: Path, changes: dict[str, Any], says: str) -> None:
    found = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(found | changes))
    with pytest.raises(HarnessError, match=says) as caught:
        read_manifest(folder)
    assert caught.value.where == str(folder / MANIFEST)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"name": "toy"}'])
def test_a_missing_or_empty_manifest_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(HarnessError, match=r"manifest"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("measured", "off"),
    [
        (0.9, {}),
        (0.92, {}),
        (0.88, {}),
        (0.9202, {"templates_f1": 0.0202}),
        (0.87, {"templates_f1": -0.03}),
    ],
)
def test_scores_more_than_two_points_off_deviate(
    manifest: Manifest, measured: float, off: dict[str, float]
) -> None:
    assert deviations(manifest, {"names_f1": 0.94, "templates_f1": measured, "new": 0.1}) == off


def test_a_recorded_score_that_was_not_measured_is_an_error(manifest: Manifest) -> None:
    with pytest.raises(HarnessError, match="records templates_f1, which nothing measures"):
        deviations(manifest, {"names_f1": 0.93})


def test_the_commit_is_marked_when_files_of_the_folder_differ(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True)

    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "code.py").write_text("a = 1\n")
    assert commit_of(inner) == ""
    git("init", "-q")
    assert commit_of(inner) == ""
    git("add", ".")
    git("commit", "-q", "-m", "first")
    clean = commit_of(inner)
    assert len(clean) == 40
    (tmp_path / "beside.txt").write_text("x")
    assert commit_of(inner) == clean
    (inner / "code.py").write_text("a = 2\n")
    assert commit_of(inner) == clean + "+"
    git("commit", "-q", "-a", "-m", "second")
    assert commit_of(inner) not in (clean, "")
    (inner / "new.py").write_text("")
    assert commit_of(inner).endswith("+")
