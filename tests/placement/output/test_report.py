from __future__ import annotations

import dataclasses
import json
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.placement.answers.answer import Answer, answer
from harness.placement.answers.question import Question
from harness.placement.output import report
from harness.placement.plan import Plan, Stage
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES
from harness.placement.segments import CORRECTED, all_sizes


def plan(*stages: tuple[str, int, int]) -> Plan:
    placed, gpu, layer = [], 0, 1
    for name, tp, layers in stages:
        placed.append(Stage(name, tuple(range(gpu, gpu + tp)), layer, layer + layers - 1, 100.0 / layers))
        gpu, layer = gpu + tp, layer + layers
    return Plan(tuple(placed), min(stage.tokens_per_s for stage in placed), 2.0)


@pytest.fixture(scope="module")
def found(tiny: Problem) -> Answer:
    return answer(Question(CORRECTED, DOCUMENTED_RATES, all_sizes(tiny.layers)), tiny)


def test_a_plan_is_named_by_its_stages() -> None:
    assert report.plan_name(plan(("A100", 2, 7), ("A100", 2, 7), ("T4", 1, 1))) == (
        "2 x A100 TP2 (7 layers), T4 TP1 (1 layer)"
    )


def test_only_neighbours_are_counted_together() -> None:
    assert report.plan_name(plan(("A", 1, 2), ("B", 1, 2), ("A", 1, 2))) == (
        "A TP1 (2 layers), B TP1 (2 layers), A TP1 (2 layers)"
    )


@given(st.text())
def test_a_type_may_be_called_anything(name: str) -> None:
    told = plan((name, 2, 3))
    for line in (report.plan_name(told), *report.stage_table_lines(told)):
        assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs")]


def test_columns_are_aligned() -> None:
    lines = report.table_lines(("n", "name"), [("1", "a"), ("22", "bb")], left=(1,))
    assert lines == [" n  name", " 1  a", "22  bb"]


def test_the_document_holds_what_is_promised(found: Answer) -> None:
    told = report.document(found)
    assert list(told) == [
        "usd_per_million_tokens", "usd_per_hour", "tokens_per_s", "plan", "proven_optimal", "gap", "front",
        "candidates", "searched", "certificate", "goal", "limits", "sizes", "rules", "rates", "provenance",
        "problem",
    ]  # fmt: skip
    assert told["usd_per_million_tokens"] == pytest.approx(
        told["usd_per_hour"] / 3600 / told["tokens_per_s"] * 1e6
    )
    assert json.loads(report.json_text(told)) == told


def test_nothing_in_the_document_is_infinite(found: Answer) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        report.json_text({"x": math.inf})
    assert "Infinity" not in report.json_text(report.document(found))


def test_costs_are_told_without_the_noise_of_adding_them_up() -> None:
    dear = dataclasses.replace(plan(("A", 1, 2)), usd_per_hour=3.5999999999999996)
    assert report.plan_document(dear)["usd_per_hour"] == 3.6


def test_the_fingerprint_follows_every_figure(tiny: Problem) -> None:
    links = np.array(tiny.bandwidth_gb_per_s)
    links[0, 1] += 1
    pool = (dataclasses.replace(tiny.pool[0], usd_per_hour=9.0), *tiny.pool[1:])
    changed = [
        dataclasses.replace(tiny, bandwidth_gb_per_s=links),
        dataclasses.replace(tiny, pool=pool),
        dataclasses.replace(tiny, config=dataclasses.replace(tiny.config, batch_size=2)),
    ]
    prints = {report.problem_document(problem)["sha256"] for problem in [tiny, *changed]}
    assert len(prints) == 4
    assert report.problem_document(tiny) == report.problem_document(dataclasses.replace(tiny))


def test_a_long_front_is_told_around_the_chosen_plan() -> None:
    plans = [dataclasses.replace(plan(("A", 1, 2)), usd_per_hour=float(i)) for i in range(1, 201)]
    for chosen in (0, 100, 199):
        lines = report.front_lines(plans, chosen)
        assert len(lines) == 2 + 60 + 1
        assert lines[-1] == "140 more in --json"
        (marked,) = [line for line in lines if line.startswith("*")]
        assert marked.split()[1] == f"{chosen + 1}.00"


def test_an_answer_without_proof_says_so(found: Answer) -> None:
    unproven = dataclasses.replace(found, gap=0.031, certificate=None)
    assert report.proof_line(unproven).startswith("NOT proven optimal: at most 3.1 % from the best; ")
    assert report.document(unproven)["proven_optimal"] is False
    unknown = dataclasses.replace(found, gap=math.inf)
    assert report.proof_line(unknown).startswith("NOT proven optimal: gap unknown; ")
    assert report.document(unknown)["gap"] is None
