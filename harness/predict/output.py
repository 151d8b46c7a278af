"""What predictions and validations are written as: JSON, CSV, files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import write_bytes


def json_text(document: Mapping[str, Any]) -> str:
    """The document with sorted keys; null for what JSON has no number for."""
    return json.dumps(_with_null(document), indent=2, sort_keys=True, allow_nan=False) + "\n"


def csv_text(columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> str:
    """One line for each of `lines`; a cell is empty where a line has no value or no number."""
    written = io.StringIO()
    table = csv.DictWriter(written, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({key: "" if _unknown(cell) else cell for key, cell in line.items()} for line in lines)
    return written.getvalue()


def write_file(path: Path, text: str) -> None:
    """The whole file or nothing; HarnessError where it cannot be written."""
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise HarnessError(f"cannot be written ({error.strerror})", where=str(path)) from None


def _with_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_null(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_null(each) for each in value]
    return None if _unknown(value) else value


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
