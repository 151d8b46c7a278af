"""Checks parsed data against the part of JSON Schema that our schema uses, and says what to write instead.

jsonschema's messages name neither the unit nor the closest key, and it takes 60 ms to import; the tests
hold this module against it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The end of a key names its unit; the longest end that fits wins.
_UNITS = {
    "_gib": "GiB",
    "_gb": "GB",
    "_gb_per_gpu": "GB per GPU",
    "_gb_s": "GB/s",
    "_tflops": "TFLOP/s",
    "_tops": "TOP/s",
    "_w": "W",
    "_s": "seconds",
    "_min": "minutes",
    "_samples_per_min": "samples per minute",
    "_usd_per_hour": "US dollars per hour",
    "_tokens": "tokens",
    "_characters": "characters",
    "_samples": "samples",
    "_sequences": "sequences",
    "_billions": "billions",
    "_ratio": "a ratio, not percent",
}
_TYPES = {"object": "a table", "array": "an array", "string": "a string", "boolean": "true or false"}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: where (keys and indexes from the top), what, what is allowed, what to do."""

    path: tuple[str | int, ...]
    what: str
    allowed: str = ""
    next_step: str = ""


def violations(data: object, schema: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything in `data` (from TOML or JSON) that breaks `schema`, in the order of the data."""
    return _check(data, schema, (), schema)


def closest(name: str, known: Iterable[str]) -> str:
    """Such as "did you mean 'l4'?" for a misspelt name; empty when nothing is close."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else ""


def _check(
    data: object, schema: Mapping[str, Any], path: tuple[str | int, ...], top: Mapping[str, Any]
) -> Iterator[Violation]:
    if "$ref" in schema:
        schema = {**top["$defs"][schema["$ref"].removeprefix("#/$defs/")], **schema}
    if "enum" in schema and not any(data == value and type(data) is type(value) for value in schema["enum"]):
        yield _wrong_value(data, schema["enum"], path)
    elif "type" in schema and not _has_type(data, schema["type"]):
        yield _wrong_type(data, schema, path)
    elif isinstance(data, dict):
        yield from _check_table(data, schema, path, top)
    elif isinstance(data, list):
        yield from _check_array(data, schema, path, top)
    elif isinstance(data, str):
        if len(data) < schema.get("minLength", 0):
            yield Violation(path, "is empty", "a text", "fill it in")
        if "pattern" in schema and not re.search(schema["pattern"], data):
            yield Violation(path, f"is {data!r}", f"a text that matches {schema['pattern']}", "correct it")
    elif isinstance(data, (int, float)) and not isinstance(data, bool):
        low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
        too_low = (low is not None and data < low) or (above is not None and data <= above)
        if too_low or (high is not None and data > high):
            yield Violation(path, f"is {data}", _number(schema, path), "correct it")


def _check_table(
    data: dict[str, object], schema: Mapping[str, Any], path: tuple[str | int, ...], top: Mapping[str, Any]
) -> Iterator[Violation]:
    known: dict[str, Any] = schema.get("properties", {})
    patterns: dict[str, Any] = schema.get("patternProperties", {})
    for key, value in data.items():
        fitting = [part for pattern, part in patterns.items() if re.search(pattern, key)]
        if key in known:
            fitting.append(known[key])
        if not fitting and schema.get("additionalProperties") is False:
            yield _unknown_key(key, known, patterns, path)
        for part in fitting:
            yield from _check(value, part, (*path, key), top)
    for key in schema.get("required", ()):
        if key not in data:
            yield Violation((*path, key), "is missing", _described(known.get(key, {}), key, top), "add it")


def _check_array(
    data: list[object], schema: Mapping[str, Any], path: tuple[str | int, ...], top: Mapping[str, Any]
) -> Iterator[Violation]:
    low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not low <= len(data) <= high:
        allowed = f"{low} of them" if low == high else f"at least {low}"
        yield Violation(path, f"has {len(data)} entries", allowed, "correct it")
    for index, value in enumerate(data):
        yield from _check(value, schema.get("items", {}), (*path, index), top)


def _has_type(data: object, name: str) -> bool:
    if name == "number":
        return isinstance(data, (int, float)) and not isinstance(data, bool) and math.isfinite(data)
    if name == "integer":
        return isinstance(data, int) and not isinstance(data, bool)
    return isinstance(data, {"object": dict, "array": list, "string": str, "boolean": bool}[name])


def _wrong_value(data: object, allowed: list[object], path: tuple[str | int, ...]) -> Violation:
    hint = closest(str(data), map(str, allowed)) or "take one of these"
    return Violation(path, f"is {data!r}", ", ".join(repr(value) for value in allowed), hint)


def _wrong_type(data: object, schema: Mapping[str, Any], path: tuple[str | int, ...]) -> Violation:
    allowed = _described(schema, _last_key(path), {"$defs": {}})
    if isinstance(data, str) and schema["type"] in ("number", "integer"):
        figure = re.search(r"-?\d+(\.\d+)?", data)
        hint = f"write {figure[0]}, without unit and quotes" if figure else "write a figure without quotes"
    elif isinstance(data, float) and schema["type"] == "integer":
        hint = "write it without a decimal point"
    else:
        hint = "put quotes around it" if schema["type"] == "string" else "correct it"
    kind = "table" if isinstance(data, dict) else "array" if isinstance(data, list) else type(data).__name__
    shown = f"is a {kind}" if isinstance(data, (dict, list)) else f"is {data!r} ({kind})"
    return Violation(path, shown, allowed, hint)


def _unknown_key(
    key: str, known: Mapping[str, Any], patterns: Mapping[str, Any], path: tuple[str | int, ...]
) -> Violation:
    names = ["names of lower-case letters, digits and _"] if patterns else sorted(known)
    next_step = closest(key, known) or "correct or remove it"
    return Violation((*path, key), "is no key here", ", ".join(names), next_step)


def _described(schema: Mapping[str, Any], key: str, top: Mapping[str, Any]) -> str:
    if "$ref" in schema and top["$defs"]:
        schema = {**top["$defs"][schema["$ref"].removeprefix("#/$defs/")], **schema}
    if "enum" in schema:
        return ", ".join(repr(value) for value in schema["enum"])
    if schema.get("type") in ("number", "integer"):
        return _number(schema, (key,))
    return _TYPES.get(schema.get("type", ""), "see the schema")


def _number(schema: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    text = "a whole number" if schema.get("type") == "integer" else "a number"
    if "minimum" in schema:
        text += f" from {schema['minimum']}"
    if "exclusiveMinimum" in schema:
        text += f" above {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        text += f" to {schema['maximum']}"
    key = _last_key(path).removesuffix("_range")
    unit = max((end for end in _UNITS if key.endswith(end)), key=len, default="")
    return f"{text}, in {_UNITS[unit]}" if unit and unit != "_ratio" else text


def _last_key(path: tuple[str | int, ...]) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")
