"""Reading `hardware_matrix.toml`: every mistake in it becomes one message."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.hardware.rows import Checkpoint, Matrix, Row, checkpoint_from, row_from
from harness.hardware.rules import broken_rules
from harness.hardware.schema import Violation, violations

__all__ = ["Checkpoint", "Matrix", "Row", "load_matrix", "matrix_from_text", "matrix_schema"]


def load_matrix(path: Path) -> Matrix:
    """The hardware matrix in the TOML file at `path`.

    Raises HarnessError (exit 4) for the first mistake: it names the file, the row, the key, what is
    allowed and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        what = "there is no such hardware matrix"
        step = "pass --matrix PATH, or run in a folder that has hardware_matrix.toml"
        raise HarnessError(what, where=str(path), allowed="a TOML file", next_step=step) from error
    except (OSError, UnicodeDecodeError) as error:
        step = "check the path and its permissions"
        raise HarnessError(
            f"cannot be read ({error})", where=str(path), allowed="a TOML file in UTF-8", next_step=step
        ) from error
    return matrix_from_text(text, path)


def matrix_from_text(text: str, path: Path) -> Matrix:
    """As `load_matrix`, from the file's content; `path` is what messages and model paths refer to."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _malformed(str(error), path) from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply", path) from error
    wrong = next(_all_violations(data), None)
    if wrong is not None:
        raise HarnessError(
            wrong.what, where=_where(wrong.path, path), allowed=wrong.allowed, next_step=wrong.next_step
        )
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Matrix(
        rows={name: row_from(name, table) for name, table in data.items() if name != "models"},
        models={
            role: tuple(checkpoint_from(role, entry) for entry in entries)
            for role, entries in data.get("models", {}).items()
        },
        path=path,
        digest="sha256:" + hashlib.sha256(canonical.encode()).hexdigest(),
    )


@functools.cache
def matrix_schema() -> dict[str, Any]:
    """The committed JSON Schema (draft 2020-12) of the file."""
    text = resources.files("harness.hardware").joinpath("hardware_matrix.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _all_violations(data: dict[str, Any]) -> Iterator[Violation]:
    # Lazy: the caller stops at the first, so the rules only see data that satisfied the schema.
    return itertools.chain(violations(data, matrix_schema()), broken_rules(data))


def _where(path: tuple[str | int, ...], file: Path) -> str:
    """Such as `hardware_matrix.toml, row l4, key serving.threads_range[0]`."""
    first, rest = path[0], list(path[1:])
    place = f"row {first}"
    if first == "models":
        place = "table models"
        if rest:
            place = f"model {rest.pop(0)}"
        if rest:
            place += f", entry {int(rest.pop(0)) + 1}"
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest).removeprefix(".")
    return f"{file}, {place}, key {key}" if key else f"{file}, {place}"


def _malformed(message: str, path: Path) -> HarnessError:
    """tomllib's error as ours; a table declared twice is what it usually means for a row."""
    position = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", message)
    where, what = str(path), message
    if position:
        what = message[: position.start()]
        where += f", line {position[1]}" if position[1] else ", last line"
    twice = re.search(r"Cannot declare \('([^']+)',(?: '([^']+)')?.*\) twice", what)
    if twice:
        table = ".".join(part for part in twice.groups() if part)
        place, text = (f", row {twice[1]}", f"table [{table}] is declared twice")
        return HarnessError(
            text, where=where + place, allowed="one table per row", next_step="rename or remove one"
        )
    if what == "Cannot overwrite a value":
        return HarnessError(
            "a key is given twice",
            where=where,
            allowed="each key once per row",
            next_step="remove one of them",
        )
    return HarnessError(f"is no TOML: {what}", where=where, allowed="TOML 1.0", next_step="correct that line")
