"""Our checker of the schema agrees with the jsonschema library."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hardware.matrix import matrix_schema
from harness.hardware.schema import closest, violations

DATA = tomllib.loads((Path(__file__).parents[2] / "hardware_matrix.toml").read_text(encoding="utf-8"))
SCHEMA = matrix_schema()
LIBRARY = jsonschema.Draft202012Validator(SCHEMA)
UNDERSTOOD = (
    "type enum pattern minLength minimum exclusiveMinimum maximum items minItems maxItems properties "
    "patternProperties additionalProperties required $ref $schema $defs title description"
)


def keywords(schema: dict[str, Any]) -> set[str]:
    """Every keyword used in a schema; names of properties and definitions are none."""
    found = set(schema)
    for group in ("properties", "patternProperties", "$defs"):
        for part in schema.get(group, {}).values():
            found |= keywords(part)
    return found | (keywords(schema["items"]) if "items" in schema else set())


def tables(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found = [schema] if schema.get("type") == "object" else []
    for group in ("properties", "patternProperties", "$defs"):
        for part in schema.get(group, {}).values():
            found += tables(part)
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_uses_only_what_the_checker_understands() -> None:
    assert keywords(SCHEMA) <= set(UNDERSTOOD.split())


def test_every_table_refuses_unknown_keys() -> None:
    assert len(tables(SCHEMA)) > 8
    assert all(table["additionalProperties"] is False for table in tables(SCHEMA))


def test_the_shipped_matrix_satisfies_both() -> None:
    assert list(violations(DATA, SCHEMA)) == []
    assert list(LIBRARY.iter_errors(DATA)) == []


def paths(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * bool(path) + [found for key, value in items for found in paths(value, (*path, key))]


# Figures like 1.0 are left out: JSON Schema calls them integers, TOML and we do not.
VALUES = st.one_of(
    st.booleans(),
    st.integers(-3, 70000),
    st.floats(-2, 500).filter(lambda figure: not figure.is_integer()),
    st.text(max_size=12),
    st.sampled_from(["cuda", "thread", "8.9", "2026-11-21", "bfloat16", "q4_k_m", "none"]),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.sampled_from(["source", "pattern", "x"]), st.text(max_size=3), max_size=2),
)


@given(path=st.sampled_from(paths(DATA)), value=VALUES, action=st.sampled_from(["put", "drop", "add"]))
def test_it_accepts_what_the_library_accepts(path: tuple[Any, ...], value: object, action: str) -> None:
    changed = copy.deepcopy(DATA)
    place: Any = changed
    for part in path[:-1]:
        place = place[part]
    if action == "drop":
        del place[path[-1]]
    elif action == "add" and isinstance(place[path[-1]], dict):
        place[path[-1]]["surprise"] = value
    else:
        place[path[-1]] = value
    ours = list(violations(changed, SCHEMA))
    assert (not ours) == LIBRARY.is_valid(changed)
    # Each of our complaints points at a place of the library's, or at the missing or extra key there.
    places = {tuple(error.absolute_path) for error in LIBRARY.iter_errors(changed)}
    assert all(wrong.path in places or wrong.path[:-1] in places for wrong in ours)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_what_toml_has_and_json_has_not_is_refused(figure: float) -> None:
    changed = {**DATA, "l4": {**DATA["l4"], "memory_gib": figure}}
    assert [wrong.path for wrong in violations(changed, SCHEMA)] == [("l4", "memory_gib")]


def test_whole_numbers_are_written_without_a_point() -> None:
    changed = {**DATA, "l4": {**DATA["l4"], "gpus": 1.0}}
    (wrong,) = violations(changed, SCHEMA)
    assert wrong.next_step == "write it without a decimal point"


def test_the_unit_is_named() -> None:
    changed = {**DATA, "l4": {**DATA["l4"], "memory_bandwidth_gb_s": "300"}}
    (wrong,) = violations(changed, SCHEMA)
    assert wrong.allowed == "a number above 0, in GB/s"


@pytest.mark.parametrize(("name", "answer"), [("l5", "did you mean 'l4'?"), ("zzzzzz", "")])
def test_closest(name: str, answer: str) -> None:
    assert closest(name, DATA) == answer


def test_the_file_is_formatted_like_json_dumps() -> None:
    file = Path(__file__).parents[2] / "harness/hardware/hardware_matrix.schema.json"
    assert file.read_text(encoding="utf-8") == json.dumps(SCHEMA, indent=2) + "\n"
