"""JSON that somebody else wrote: every mistake in it becomes one message that says where it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

MOST_BYTES = 64 * 2**20
_KINDS = {str: "a text", int: "a whole number", list: "a list"}


def read_json(path: Path) -> Any:
    """What a JSON file holds, a byte order mark allowed.

    Raises HarnessError for a file that is missing, too large, no JSON, or has a key twice in one object.
    """
    where = str(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise HarnessError(
                f"has {path.stat().st_size:,} bytes", where=where, allowed=f"up to {MOST_BYTES:,}"
            )
        return json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_unique_keys)
    except FileNotFoundError:
        raise HarnessError("there is no such file", where=where) from None
    except RecursionError:
        raise HarnessError("is nested too deeply", where=where) from None
    except (OSError, ValueError) as error:
        raise HarnessError(f"is no readable JSON: {error}", where=where) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shortened(key)} is given twice in one object")
        found[key] = value
    return found


def checked_object(
    data: Any, keys: Mapping[str, type], where: str, *, optional: Mapping[str, type] | None = None
) -> dict[str, Any]:
    """The object without its comments (keys that begin with "_").

    Raises HarnessError unless every one of `keys` is there, no other than those and the `optional` ones, and
    each value is of its key's type: str, int or list.
    """
    known = {**keys, **(optional or {})}
    allowed = ", ".join(known)
    if not isinstance(data, dict):
        raise HarnessError("is no JSON object", where=where, allowed=f"an object with {allowed}")
    found = {key: value for key, value in data.items() if not key.startswith("_")}
    for key in keys:
        if key not in found:
            raise HarnessError(f"`{key}` is missing", where=where, allowed=f"an object with {allowed}")
    for key, value in found.items():
        if key not in known:
            raise HarnessError(
                f"{shortened(key)} is no key of it",
                where=where,
                allowed=allowed,
                next_step="begin it with _ if it is a comment",
            )
        if type(value) is not known[key]:
            raise HarnessError(f"`{key}` is {shortened(value)}", where=where, allowed=_KINDS[known[key]])
        if isinstance(value, str):
            _require_characters(value, key, where)
    return found


def _require_characters(value: str, key: str, where: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise HarnessError(
            f"`{key}` holds half of a character pair", where=where, allowed="text that UTF-8 can hold"
        ) from None


def one_line(value: str, key: str, where: str) -> str:
    """The value, stripped; raises HarnessError where it is empty or not one printable line."""
    if not value.strip() or not value.isprintable():
        raise HarnessError(f"`{key}` is {shortened(value)}", where=where, allowed="one line of text")
    return value.strip()


def refuse_twins(values: Sequence[Any], key: str, place: str) -> None:
    """Raise HarnessError for the first value that was there before; `place` and its number say where."""
    first: dict[Any, int] = {}
    for number, value in enumerate(values, 1):
        if value in first:
            raise HarnessError(
                f"`{key}` is that of number {first[value]} again: {shortened(value)}",
                where=f"{place} {number}",
                allowed="each only once",
                next_step="remove one of the two",
            )
        first[value] = number


def shortened(value: Any) -> str:
    """The value as a message shows it: printable ASCII, at most 60 characters."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
