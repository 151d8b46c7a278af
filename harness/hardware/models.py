"""Which weights a role uses on a row, and whether they are here. Loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import HarnessError
from harness.hardware.rows import Checkpoint, Matrix
from harness.hardware.schema import closest

_WEIGHTS = ("*.safetensors", "*.gguf", "*.bin")


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """What `--model PATH|ID` and `--endpoint URL` say; empty when not given."""

    model: str = ""
    endpoint: str = ""


def resolve_model(
    matrix: Matrix, role: str, row: str, override: ModelOverride = ModelOverride()
) -> Checkpoint | None:
    """The checkpoint of `role` on `row`, with the location of `--model` when given; None if there is none.

    With an override and no entry for the row, the role's first entry tells the rest. Raises HarnessError
    (exit 4) when the matrix does not know the role.
    """
    if role not in matrix.models:
        raise HarnessError(
            f"there is no model role {role!r}",
            where=f"{matrix.path}, table models",
            allowed=", ".join(matrix.models),
            next_step=closest(role, matrix.models) or f"add [[models.{role}]]",
        )
    entry = next((entry for entry in matrix.models[role] if row in entry.rows), None)
    if not override.model:
        return entry
    supply = (
        f"hf download {override.model}" if _is_hub_name(override.model) else f"put it at {override.model}"
    )
    return replace(entry or matrix.models[role][0], location=override.model, file="", supply=supply)


def missing_weights(
    matrix: Matrix, role: str, row: str, hub: Path, override: ModelOverride = ModelOverride()
) -> str | None:
    """Why `role` has no weights on `row`, with the command that supplies them; None when they are here.

    `hub` is the hub's cache folder (see `hub_folder`). An endpoint needs no weights; whether it answers is
    the engine's business. Raises HarnessError (exit 4) for an unknown role or an endpoint that is no URL.
    """
    if override.endpoint:
        _check_endpoint(override.endpoint)
        return None
    checkpoint = resolve_model(matrix, role, row, override)
    if checkpoint is None:
        return f"no model for {role} on {row}: pass --model PATH|ID or --endpoint URL"
    if weights_folder(checkpoint, matrix.path.parent, hub) is None:
        name = f"{checkpoint.location} {checkpoint.file}".strip()
        return f"needs weights {name}: {checkpoint.supply}"
    return None


def weights_folder(checkpoint: Checkpoint, root: Path, hub: Path) -> Path | None:
    """The complete checkpoint on disk: a folder, or its one file; None when it is not (wholly) here.

    A path counts from `root`; a hub name is looked up in `hub`, newest snapshot last in name order.
    """
    local = root / Path(checkpoint.location).expanduser()
    if local.exists():
        return _complete(local, checkpoint.file, any_file=True)
    if not _is_hub_name(checkpoint.location):
        return None
    snapshots = hub / f"models--{checkpoint.location.replace('/', '--')}" / "snapshots"
    found = (_complete(folder, checkpoint.file) for folder in sorted(snapshots.glob("*"), reverse=True))
    return next((path for path in found if path is not None), None)


def hub_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the Hugging Face hub's tools keep what they download, by their own environment variables."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environ.get(variable):
            return Path(environ[variable]).expanduser()
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]).expanduser() / "hub"
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "huggingface" / "hub"


def _complete(folder: Path, file: str, any_file: bool = False) -> Path | None:
    """`folder` (or its `file`) when nothing of it is missing; a broken link counts as missing."""
    if folder.is_file():
        return folder
    if file:
        return folder / file if (folder / file).is_file() else None
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):  # whatever is wrong with it
            return None
        return folder if all((folder / shard).is_file() for shard in shards) else None
    patterns = ("*",) if any_file else _WEIGHTS
    return folder if any(path.is_file() for pattern in patterns for path in folder.glob(pattern)) else None


def _is_hub_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name) is not None


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url:
        raise HarnessError(
            f"{endpoint!r} is no endpoint",
            where="--endpoint",
            allowed="http://HOST[:PORT][/PATH] or https://...",
            next_step="give the address of an OpenAI-compatible server, such as http://localhost:8000/v1",
        )
