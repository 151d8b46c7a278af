"""Where the models that the project ships are."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError

FOLDER = Path("fixtures/models")
DEFAULT = "entities"


def project_root() -> Path:
    """The nearest folder from here upwards that holds the shipped models, else this package's checkout."""
    here = Path.cwd()
    found = (folder for folder in (here, *here.parents) if (folder / FOLDER).is_dir())
    return next(found, Path(__file__).resolve().parents[2])


def folder_of(name: str, root: Path) -> Path:
    """The folder of a shipped model."""
    return root / FOLDER / name


def model_folder(name_or_path: str) -> Path:
    """A shipped model by name, or any folder by path; raises HarnessError when there is neither."""
    shipped = folder_of(name_or_path, project_root())
    for folder in (shipped, Path(name_or_path)):
        if (folder / "config.json").is_file():
            return folder
    raise HarnessError(
        f"no model {name_or_path!r}",
        allowed=", ".join([*shipped_names(), "the path of a checkpoint folder"]),
        next_step="git checkout -- fixtures/models brings the shipped ones back",
    )


def shipped_names() -> list[str]:
    """The models that lie in the project, by name; one whose files are gone counts too."""
    return sorted(path.name for path in (project_root() / FOLDER).glob("*") if path.is_dir())


def default_model() -> Path:
    """What is served when nobody names a model."""
    return model_folder(DEFAULT)
