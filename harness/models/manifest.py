"""What is recorded beside shipped weights: how they were made, their hashes, their held-out scores."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import MANIFEST, folder_hashes, read_object, write_bytes
from harness.models.recipes import Recipe
from harness.models.training.trainer import fingerprint, plain_data

TOLERANCE = 0.02
"""How far scores of a second training, or on another machine, may lie from the recorded ones (in points)."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One shipped model. `files` are SHA-256 values by name; `scores` are held out, on `prompts` each."""

    name: str
    recipe: Mapping[str, Any]
    fingerprint: str
    data_seed: int
    steps: int
    threads: int
    commit: str
    made_with: Mapping[str, str]
    files: Mapping[str, str]
    prompts: int
    scores: Mapping[str, float]


def manifest_of(
    recipe: Recipe, folder: Path, threads: int, commit: str, prompts: int, scores: Mapping[str, float]
) -> Manifest:
    """The manifest of the files that now lie in `folder`; `commit` is what the run was started at."""
    import torch
    import transformers

    return Manifest(
        name=recipe.name,
        recipe=plain_data(recipe),
        fingerprint=fingerprint(recipe),
        data_seed=recipe.seed,
        steps=recipe.steps,
        threads=threads,
        commit=commit,
        made_with={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        files=folder_hashes(folder),
        prompts=prompts,
        scores={name: round(score, 4) for name, score in scores.items()},
    )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write it beside the weights, whole or not at all."""
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n"
    write_bytes(folder / MANIFEST, text.encode())


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder; raises HarnessError when it is missing or not one."""
    where = str(folder / MANIFEST)
    try:
        manifest = Manifest(**read_object(folder / MANIFEST))
    except TypeError as error:
        raise HarnessError(f"no manifest of a model: {error}", where=where) from None
    for field in fields(Manifest):
        if not _fits(getattr(manifest, field.name), str(field.type)):
            raise HarnessError(f"no manifest of a model: `{field.name}` is no {field.type}", where=where)
    return manifest


def _fits(value: object, declared: str) -> bool:
    """Whether a JSON value is what a field of Manifest declares."""
    values = {"Mapping[str, Any]": object, "Mapping[str, str]": str, "Mapping[str, float]": float | int}
    if declared not in values:
        return type(value).__name__ == declared
    return isinstance(value, dict) and all(isinstance(one, values[declared]) for one in value.values())


def deviations(manifest: Manifest, measured: Mapping[str, float]) -> dict[str, float]:
    """Scores that are further than TOLERANCE from the recorded ones, with the difference (4 decimals).

    Raises HarnessError when a recorded score was not measured.
    """
    missing = sorted(manifest.scores.keys() - measured.keys())
    if missing:
        raise HarnessError(
            f"the manifest of {manifest.name} records {', '.join(missing)}, which nothing measures any more",
            next_step=f"train it anew: harness models train {manifest.name}",
        )
    differences = {name: round(measured[name] - score, 4) for name, score in manifest.scores.items()}
    return {name: found for name, found in differences.items() if not abs(found) <= TOLERANCE}


def commit_of(folder: Path) -> str:
    """The commit checked out, with "+" when files in the folder differ; empty outside a repository."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + "+" if _git(folder, "status", "--porcelain", "--", ".") else head
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
