import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from result_builders import cell, cells, document, machine_info, run_info, timed

from harness.errors import HarnessError
from harness.results.documents import cells_of, json_text, read_json, run_document, validate_results


def broken(path, value):
    """A valid document with `value` put at `path` (or, with `del`, the key there removed)."""
    wrong = copy.deepcopy(document(cell(timed())))
    *way, last = path
    place = wrong
    for step in way:
        place = place[step]
    if value is del_:
        del place[last]
    else:
        place[last] = value
    return wrong


del_ = object()


@given(st.lists(cells, max_size=3, unique_by=lambda one: one.nodeid))
def test_cells_come_back_in_nodeid_order(many):
    found = cells_of(run_document(run_info(), machine_info(), many))
    assert [one.nodeid for one in found] == sorted(one.nodeid for one in many)


@given(st.permutations([cell(timed(), nodeid=f"t.py::t{index}") for index in range(4)]))
def test_the_order_of_cells_does_not_change_the_bytes(many):
    assert json_text(document(*many)) == json_text(document(*sorted(many, key=lambda one: one.nodeid)))


@pytest.mark.parametrize(
    ("path", "value", "named", "allowed"),
    [
        (["run", "gate"], "lenient", "$.run.gate", '"default", "strict", "off"'),
        (["run", "colour"], "red", "$.run", "budget_s"),
        (["run", "seed"], del_, "$.run", "seed"),
        (["machine", "load"], "high", "$.machine.load", "array"),
        (["cells", 0, "findings", 0, "verdict"], "faster", "$.cells[0].findings[0].verdict", '"improved"'),
        (["cells", 0, "findings", 0, "rounds"], -1, "$.cells[0].findings[0].rounds", "minimum 0"),
        (["cells", 0, "findings", 0, "limit"], "x", "$.cells[0].findings[0].limit", "number or null"),
        (["micro"], [{}], "$.micro[0]", "median_s"),
    ],
)
def test_a_fault_is_one_error_naming_file_path_and_what_is_allowed(path, value, named, allowed):
    with pytest.raises(HarnessError) as caught:
        validate_results(broken(path, value), "results.json")
    assert caught.value.message.startswith(f"results.json: {named}: ")
    assert allowed in caught.value.allowed
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("version", [0, 2, "1", True, None])
def test_another_schema_version_says_so(version):
    with pytest.raises(HarnessError, match="schema_version") as caught:
        validate_results({**document(), "schema_version": version}, "results.json")
    assert caught.value.allowed == "1"
    assert caught.value.next_step


@pytest.mark.parametrize("thing", [[], "text", 3, None])
def test_something_else_entirely_is_an_error_not_a_crash(thing):
    with pytest.raises(HarnessError, match="not a table"):
        validate_results(thing, "results.json")


@pytest.mark.parametrize("content", ["", "{", '{"run": ', "\x00", "not json"])
def test_a_damaged_file_is_named_with_a_next_step(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(HarnessError, match="cut short") as caught:
        read_json(path, "measure again")
    assert str(path) in caught.value.message
    assert caught.value.message.endswith("measure again")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(HarnessError, match="No such file"):
        read_json(tmp_path / "results.json", "measure again")


@pytest.mark.parametrize("name", ["results.schema.json", "baselines.schema.json"])
def test_the_committed_schemas_are_schemas_that_allow_nothing_extra(name):
    from importlib import resources
    from json import loads

    schema = loads(resources.files("harness.results").joinpath(name).read_text())
    Draft202012Validator.check_schema(schema)
    tables = [part for part in every_part(schema) if "properties" in part]
    assert len(tables) >= 4
    assert all(part.get("additionalProperties") is False for part in tables)


def every_part(schema):
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from every_part(part)
    if isinstance(schema, list):
        for part in schema:
            yield from every_part(part)
