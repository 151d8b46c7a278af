import xml.etree.ElementTree as ET

import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st
from sample import cell, document, finding

from harness.render import junit


def case_of(state: str, **changes: object) -> ET.Element:
    made = finding(gate_result={"state": state, "detail": "why"}, **changes)
    root = ET.fromstring(junit([document([cell("x", findings=[made])]) | {"vanished": []}]))
    (case,) = root.iter("testcase")
    return case


def test_one_testcase_per_cell_and_totals_that_add_up() -> None:
    made = sample.realistic()
    root = ET.fromstring(junit([made, sample.second_machine()]))
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["cpu", "l4"]
    cases = suites[0].findall("testcase")
    assert len(cases) == len(made["cells"]) + len(made["vanished"]) == int(suites[0].get("tests", ""))
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suites[0].get(plural, "")) == len(suites[0].findall(f"testcase/{tag}"))


def test_properties_hold_raw_figures() -> None:
    case = case_of("pass")
    found = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert found["latency.ratio"] == "0.313"
    assert found["latency.interval"] == "[0.309, 0.318]"
    assert found["latency.verdict"] == "improved"
    assert found["latency.provenance"] == "measured"
    assert found["hardware"] == "cpu"
    assert case.get("classname") == "benchmarks.demo.test_x"
    assert case.get("name") == "test_x[cpu]"


@pytest.mark.parametrize(
    ("state", "kind"), [("regressed", "regression"), ("left ratchet", "ratchet"), ("over limit", "fidelity")]
)
def test_gate_failures_are_failures_of_their_type(state: str, kind: str) -> None:
    failure = case_of(state).find("failure")
    assert failure is not None
    assert failure.get("type") == kind
    assert "why" in failure.get("message", "")
    assert failure.text is not None
    assert "next: " in failure.text


@pytest.mark.parametrize("state", ["baseline missing", "incompatible"])
def test_baseline_problems_are_errors(state: str) -> None:
    assert case_of(state).find("error") is not None


def test_a_vanished_benchmark_is_an_error() -> None:
    root = ET.fromstring(junit([document([])]))
    (error,) = root.iter("error")
    assert error.get("message") == "vanished: latency had 0.71"


def test_inconclusive_and_unrun_are_skipped_with_their_reason() -> None:
    skipped = case_of("inconclusive", verdict="inconclusive", reason="noisy machine").find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "latency: inconclusive: noisy machine"
    root = ET.fromstring(junit([document([sample.not_run("y", "l4", "needs an accelerator")])]))
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "not run: needs an accelerator"


@pytest.mark.parametrize("state", ["pass", "refused", "not gated", "no baseline"])
def test_findings_pass(state: str) -> None:
    case = case_of(state)
    assert [child.tag for child in case] == ["properties"]


def test_the_gravest_failure_names_the_case_and_all_are_told() -> None:
    states = ("regressed", "over limit", "left ratchet")
    made = [finding(f"m{i}", gate_result={"state": s, "detail": s}) for i, s in enumerate(states)]
    (failure,) = ET.fromstring(junit([document([cell("x", findings=made)])])).iter("failure")
    assert failure.get("type") == "fidelity"
    assert all(state in failure.get("message", "") for state in states)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_gives_valid_xml(text: str) -> None:
    root = ET.fromstring(junit([sample.hostile(text)]).encode("utf-8"))
    assert len(list(root.iter("testcase"))) == 4
