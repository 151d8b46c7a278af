from __future__ import annotations

from dataclasses import replace

import pytest

from harness.placement.documented.methods import Search
from harness.placement.documented.milp import Goal, solve
from harness.placement.exact.front import exact_front
from harness.placement.plan import Solution
from harness.placement.problem import Problem
from harness.placement.segments import DOCUMENTED
from harness.placement.stages import stage_table
from harness.placement.trials.exact_gain import (
    Proven,
    different_corners,
    excess,
    highs_oracle,
    proof_faults,
    prove,
    prove_alone,
    prove_by_front,
)


def test_the_proof_holds_and_nothing_is_cheaper(medium: Problem) -> None:
    proven = prove(medium)
    assert proven.usd_per_million_tokens == pytest.approx(0.0986975, abs=5e-8)
    assert proof_faults(None, proven) == 0
    by_front = prove_by_front(proven.table)
    assert excess(by_front, proven) == excess(proven, by_front) == 0
    assert proof_faults(None, by_front) == 0
    assert proven.searched < by_front.searched


def test_a_documented_plan_is_never_cheaper(small: Problem) -> None:
    documented = solve(Search(small, DOCUMENTED).milp(Goal(usd_per_hour=0.6)))
    assert excess(documented, prove(small)) == pytest.approx(-0.2)
    assert excess(Solution("infeasible", None), prove(small)) == 0


def test_a_dearer_answer_and_a_wrong_proof_are_found_out(medium: Problem) -> None:
    proven = prove(medium)
    certificate = proven.certificate
    assert certificate is not None
    dearer = replace(certificate.point, usd_per_hour=certificate.point.usd_per_hour * 1.01)
    spoilt = replace(proven, certificate=replace(certificate, point=dearer))
    assert excess(proven, spoilt) == pytest.approx(0.01)
    assert proof_faults(None, spoilt) > 0
    missing = replace(proven, certificate=replace(certificate, spans=certificate.spans[1:]))
    assert proof_faults(None, missing) > 0


def test_no_plan_proves_nothing(medium: Problem) -> None:
    table = stage_table(medium, sizes=(39,))
    for nothing in (prove_alone(table), prove_by_front(table)):
        assert isinstance(nothing, Proven)
        assert nothing.certificate is None
        assert proof_faults(None, nothing) == 1
        assert excess(prove(medium), nothing) == float("inf")


def test_corners_that_only_one_front_has(small: Problem) -> None:
    table = stage_table(small)
    front, by_milp = exact_front(table), exact_front(table, highs_oracle)
    assert different_corners(front, by_milp) == 0
    shorter = replace(front, points=front.points[1:])
    assert different_corners(front, shorter) == different_corners(shorter, front) == 1
