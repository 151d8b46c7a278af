from dataclasses import replace
from itertools import combinations

import pytest
from result_builders import bounded, cell, timed

from harness.measure.outcome import ClaimFinding, GateResult
from harness.results.gate import exit_code


def gated(state: str):
    return cell(replace(timed(), gate_result=GateResult(state)), nodeid=f"t.py::{state}")


# worst first
RANKED = [
    ("over limit", 14),
    ("regressed", 10),
    ("baseline missing", 13),
    ("inconclusive", 11),
    ("pass", 0),
]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        *RANKED,
        ("left ratchet", 10),
        ("incompatible", 13),
        ("refused", 0),
        ("no baseline", 0),
        ("not gated", 0),
    ],
)
def test_each_state_has_its_code_under_the_strict_gate(state, code):
    assert exit_code([gated(state)], strict=True) == code


@pytest.mark.parametrize(("worse", "milder"), list(combinations(RANKED, 2)))
def test_the_worst_state_decides(worse, milder):
    cells = [gated(milder[0]), gated(worse[0])]
    assert exit_code(cells, strict=True) == exit_code(cells[::-1], strict=True) == worse[1]


def test_an_inconclusive_gate_is_green_by_default():
    assert exit_code([gated("inconclusive")]) == 0


def test_broken_fidelity_without_a_finding_to_show_it_is_still_14():
    assert exit_code([cell(role="shipped", fidelity="broken")]) == 14
    assert exit_code([cell(role="candidate", fidelity="refused")]) == 0


def test_a_run_of_refuted_claims_and_refused_candidates_is_green():
    refuted = ClaimFinding("ratio", 0.1, 0.2, "a.md", "five times faster", "refuted")
    worse = timed(1.4, verdict="worse", claims=(refuted,), gate_result=GateResult("pass"))
    refused = bounded(0.4, verdict="worse", gate_result=GateResult("refused"))
    assert exit_code([cell(worse), cell(refused, fidelity="refused")], strict=True) == 0


def test_a_vanished_benchmark_is_never_silent():
    assert exit_code([gated("pass")], [("t.py::gone", "")]) == 13
    assert exit_code([gated("regressed")], [("t.py::gone", "")]) == 10


NOT_RUN = cell(state="not run")
MODELLED = cell(timed(provenance="modelled"), state="modelled")
MEASURED = cell(timed())


@pytest.mark.parametrize(
    ("cells", "measured_only", "micro", "code"),
    [
        ([], False, 0, 12),
        ([], False, 3, 0),
        ([NOT_RUN], False, 0, 12),
        ([NOT_RUN], True, 0, 12),
        ([NOT_RUN, MODELLED], False, 0, 0),
        ([NOT_RUN, MODELLED], True, 0, 12),
        ([NOT_RUN, MODELLED, MEASURED], True, 0, 0),
        ([NOT_RUN], True, 1, 0),
    ],
)
def test_a_run_that_measured_nothing_is_not_green(cells, measured_only, micro, code):
    assert exit_code(cells, measured_only=measured_only, micro=micro) == code


def test_a_missing_baseline_comes_before_nothing_measured_and_that_before_inconclusive():
    missing = replace(gated("baseline missing"), state="modelled")
    unclear = replace(gated("inconclusive"), state="modelled")
    assert exit_code([missing], measured_only=True, strict=True) == 13
    assert exit_code([unclear], measured_only=True, strict=True) == 12
