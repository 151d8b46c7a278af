"""Where models are found, by name and by path."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from harness.errors import HarnessError
from harness.models.embedded import DEFAULT, FOLDER, default_model, folder_of, model_folder, project_root
from harness.models.recipes import RECIPES


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two models, and the current folder three below it."""
    for name in ("entities", "fields"):
        folder_of(name, tmp_path).mkdir(parents=True)
        (folder_of(name, tmp_path) / "config.json").write_text("{}")
    (tmp_path / "a/b/c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b/c")
    return tmp_path


def test_a_shipped_model_is_found_by_name_from_any_folder_below(project: Path) -> None:
    assert project_root() == project
    assert model_folder("fields") == project / FOLDER / "fields"
    assert default_model() == project / FOLDER / DEFAULT
    assert DEFAULT in RECIPES


def test_a_folder_is_found_by_path(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    mine = tmp_path_factory.mktemp("mine")
    (mine / "config.json").write_text("{}")
    assert model_folder(str(mine)) == mine
    assert model_folder("../../../fixtures/models/entities") == Path("../../../fixtures/models/entities")


@pytest.mark.parametrize("name", ["entity", "", "a", "/nowhere"])
@pytest.mark.usefixtures("project")
def test_what_is_no_model_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(HarnessError) as caught:
        model_folder(name)
    assert caught.value.what == f"no model {name!r}"
    assert caught.value.allowed == "entities, fields, the path of a checkpoint folder"
    assert "git checkout" in caught.value.next_step


def test_without_shipped_models_around_it_is_this_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert harness.__file__ is not None
    assert project_root() == Path(harness.__file__).resolve().parents[1]
