"""What the command writes: files of one folder, and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import write_bytes


def require_folder(folder: Path) -> None:
    """Make the folder and write in it, before anything is computed that would be lost otherwise."""
    write_files(folder, {".writable": ""})
    (folder / ".writable").unlink(missing_ok=True)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write each text under its name; raises HarnessError where the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_bytes(folder / name, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise HarnessError(
            f"the report cannot be written: {error.strerror}",
            where=str(folder),
            next_step="give another --output",
        ) from None


def json_text(found: Any) -> str:
    """Indented JSON, null for what has no number."""
    return json.dumps(_plain(found), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
