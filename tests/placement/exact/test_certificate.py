"""A checker that finds nothing must be able to find something: every part of a proof is spoilt once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.placement.exact.certificate import (
    Certificate,
    Span,
    certificate_of,
    check_certificate,
    check_front,
    check_point,
)
from harness.placement.exact.front import Front, FrontPoint, exact_front
from harness.placement.exact.ratio import cheapest_token
from harness.placement.problem import Problem
from harness.placement.stages import StageTable, stage_table


@pytest.fixture(scope="module")
def table(medium: Problem) -> StageTable:
    return stage_table(medium)


@pytest.fixture(scope="module")
def front(table: StageTable) -> Front:
    return exact_front(table)


@pytest.fixture(scope="module")
def proof(front: Front, table: StageTable) -> Certificate:
    found = certificate_of(front, table)
    assert found is not None
    return found


def test_both_proofs_of_the_medium_pool_hold(table: StageTable, proof: Certificate) -> None:
    fast = cheapest_token(table)
    assert fast is not None
    for certificate in (proof, fast.certificate):
        assert check_certificate(certificate, table) == ()
        assert len(certificate.spans) < 20
        assert certificate.tightest.usd_per_million_tokens >= certificate.point.usd_per_million_tokens * (
            1 - 1e-12
        )


def spans_without(index: int) -> Callable[[Certificate], Certificate]:
    return lambda c: replace(c, spans=tuple(span for span in c.spans if span != c.spans[index]))


def with_span(index: int, **change: float) -> Callable[[Certificate], Certificate]:
    def spoil(c: Certificate) -> Certificate:
        spans = list(c.spans)
        spans[index] = replace(spans[index], **change)
        return replace(c, spans=tuple(spans))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        pytest.param(spans_without(0), "no span covers", id="first span missing"),
        pytest.param(spans_without(4), "no span covers", id="span missing"),
        pytest.param(spans_without(-1), "no span covers", id="last span missing"),
        pytest.param(with_span(3, usd_per_hour=100.0), "usd/h buy", id="bound too good"),
        pytest.param(with_span(3, usd_per_hour=0.1), "is below the plan", id="bound too weak"),
        pytest.param(with_span(3, to_tokens_per_s=1e9), "is below the plan", id="span too long"),
        pytest.param(lambda c: replace(c, no_plan_from=20_000.0), "there is a plan", id="gives up early"),
        pytest.param(lambda c: replace(c, no_plan_from=math.inf), "no span covers", id="the end is open"),
    ],
)
def test_a_spoilt_proof_is_found(
    table: StageTable, proof: Certificate, spoil: Callable[[Certificate], Certificate], fault: str
) -> None:
    assert any(fault in found for found in check_certificate(spoil(proof), table))


def test_a_better_plan_than_the_best_is_found_out(table: StageTable, proof: Certificate) -> None:
    better = replace(proof.point, usd_per_hour=3.0)
    assert any("do not cost" in fault for fault in check_certificate(replace(proof, point=better), table))


def test_a_worse_plan_than_the_best_has_no_proof(table: StageTable, front: Front, proof: Certificate) -> None:
    worse = front.points[-1]
    spans = (Span(float(table.thresholds[0]), worse.tokens_per_s, front.points[0].usd_per_hour),)
    faults = check_certificate(Certificate(worse, spans, proof.no_plan_from), table)
    assert any("is below the plan" in fault for fault in faults)


def test_the_front_of_the_medium_pool_holds(table: StageTable, front: Front) -> None:
    assert check_front(front, table) == ()


@pytest.mark.parametrize("index", [0, 5, 12])
def test_a_missing_corner_is_found(table: StageTable, front: Front, index: int) -> None:
    short = replace(front, points=front.points[:index] + front.points[index + 1 :])
    assert check_front(short, table) != ()


@pytest.mark.parametrize(
    ("choice", "fault"),
    [
        pytest.param(((13, 7), (13, 7), (13, 7), (13, 7)), "do not hold 40 layers", id="layers missing"),
        pytest.param(((0, 5),) * 7 + ((0, 4), (0, 1)), "9 stages, at most 8", id="too many stages"),
        pytest.param(((3, 20), (3, 20)), "type 0 has 8 GPUs, not 16", id="too many GPUs"),
        pytest.param(((18, 12), (15, 28)), "is slower than the plan", id="too slow"),
        pytest.param(((13, 7),) * 4 + ((14, 12),), "do not cost", id="wrong cost"),
    ],
)
def test_a_wrong_plan_is_found(table: StageTable, choice: tuple[tuple[int, int], ...], fault: str) -> None:
    faults = check_point(FrontPoint(9_000.0, 4.0, choice), table)
    assert any(fault in found for found in faults), faults
