"""What is recorded beside shipped weights: how they were made, their hashes, their held-out scores."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import MANIFEST, folder_hashes, read_object, write_bytes
from harness.models.recipes import Recipe
from harness.models.training import fingerprint, plain_data

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
    recipe: Recipe, folder: Path, threads: int, prompts: int, scores: Mapping[str, float]
) -> Manifest:
    """The manifest of the files that now lie in `folder`."""
    import torch
    import transformers

    return Manifest(
        name=recipe.name,
        recipe=plain_data(recipe),
        fingerprint=fingerprint(recipe),
        data_seed=recipe.seed,
        steps=recipe.steps,
        threads=threads,
        commit=_commit(),
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
    found = read_object(folder / MANIFEST)
    try:
        return Manifest(**found)
    except TypeError as error:
        raise HarnessError(f"no manifest of a model: {error}", where=str(folder / MANIFEST)) from None


def deviations(manifest: Manifest, measured: Mapping[str, float]) -> dict[str, float]:
    """Scores that are further than TOLERANCE from the recorded ones, with the difference."""
    differences = {
        name: measured[name] - score for name, score in manifest.scores.items() if name in measured
    }
    return {name: found for name, found in differences.items() if abs(found) > TOLERANCE}


def _commit() -> str:
    """The commit checked out, marked when files differ from it; empty outside a repository."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "harness/models"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
