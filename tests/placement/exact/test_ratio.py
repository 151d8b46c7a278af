from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.documented.milp import Goal, build_model, solve
from harness.placement.exact.ratio import cheapest_token
from harness.placement.exact.sweep import relaxed_costs, relaxed_total
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    Rules,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)
from harness.placement.stages import lay_out, stage_table


@pytest.mark.parametrize("rules", [DOCUMENTED, CORRECTED], ids=lambda rules: rules.name)
@pytest.mark.parametrize(
    ("sizes", "tokens_per_s", "usd_per_hour", "usd_per_million"),
    [
        pytest.param(coarse_sizes(40), 21457.67, 8.0, 0.103563, id="6 sizes"),
        pytest.param(fine_sizes(40), 21457.67, 8.0, 0.103563, id="14 sizes"),
        pytest.param(all_sizes(40), 10131.97, 3.6, 0.0986975, id="all sizes"),
    ],
)
def test_cheapest_token_of_the_medium_pool(
    medium: Problem,
    rules: Rules,
    sizes: tuple[int, ...],
    tokens_per_s: float,
    usd_per_hour: float,
    usd_per_million: float,
) -> None:
    table = stage_table(medium, rules, sizes=sizes)
    found = cheapest_token(table)
    assert found is not None
    assert found.point.tokens_per_s == pytest.approx(tokens_per_s, abs=0.005)
    assert found.point.usd_per_hour == pytest.approx(usd_per_hour)
    assert found.point.usd_per_million_tokens == pytest.approx(usd_per_million, abs=5e-7)
    plan = lay_out(found.point.choice, table, medium)
    assert plan.usd_per_million_tokens == pytest.approx(found.point.usd_per_million_tokens)
    assert verify_plan(plan, medium, rules) == ()


def test_few_thresholds_are_searched(medium: Problem) -> None:
    found = cheapest_token(stage_table(medium))
    assert found is not None
    assert found.thresholds == 170
    assert found.searched < 20


def test_a_pool_that_holds_nothing(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    assert cheapest_token(stage_table(problem)) is None


def test_too_few_stages(medium: Problem) -> None:
    config = replace(medium.config, max_pipeline_stages=1, num_decoder_layers=200)
    assert cheapest_token(stage_table(replace(medium, config=config))) is None


def test_the_segment_program_agrees(medium: Problem) -> None:
    """One step of Dinkelbach's method from the cheapest token: no plan improves on its ratio."""
    sizes = coarse_sizes(40)
    best = cheapest_token(stage_table(medium, DOCUMENTED, sizes=sizes))
    assert best is not None
    goal = Goal(tokens_per_s_per_usd=best.point.tokens_per_s / best.point.usd_per_hour)
    segments = enumerate_segments(medium, sizes, DOCUMENTED)
    assert solve(build_model(segments, medium, CORRECTED, goal)).objective == pytest.approx(0, abs=1e-6)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_problems_equal_brute_force(small_problems, every_plan, data) -> None:  # type: ignore[no-untyped-def]
    """From the problem's files to the plan, where test_proof.py begins at the table."""
    problem = data.draw(small_problems)
    sizes = tuple(sorted(data.draw(st.sets(st.integers(1, problem.layers), min_size=1))))
    ratios = [usd / (3600 * rate) for rate, usd in every_plan(problem, sizes)]
    table = stage_table(problem, sizes=sizes)
    found = cheapest_token(table)
    if not ratios:
        assert found is None
        return
    assert found is not None
    assert found.point.usd_per_million_tokens == pytest.approx(min(ratios) * 1e6, rel=1e-9)
    assert verify_plan(lay_out(found.point.choice, table, problem), problem, CORRECTED) == ()


@given(most_stages=st.integers(1, 25), layers=st.integers(1, 12), data=st.data())
def test_bounds_by_squaring_equal_bounds_stage_by_stage(
    most_stages: int, layers: int, data: st.DataObject
) -> None:
    price = st.one_of(st.just(np.inf), st.integers(0, 9).map(float))
    items = np.array([[data.draw(price)] for _ in range(layers + 1)])
    items[0] = np.inf
    assert relaxed_total(items, most_stages) == relaxed_costs(items, most_stages)[-1, -1]
