from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.documented import causes
from harness.placement.documented.audit import Audit, Ladder, Rung, audit
from harness.placement.documented.documented_front import documented_front
from harness.placement.plan import verify_plan
from harness.placement.problem import Config, GpuSpec, GpuType, Problem
from harness.placement.segments import CORRECTED, DOCUMENTED, all_sizes, coarse_sizes, fine_sizes

EveryPlan = Callable[[Problem, tuple[int, ...]], Iterator[tuple[float, float]]]

LINKS = 1e6


@pytest.fixture(scope="module")
def audited(medium: Problem) -> Audit:
    return audit(medium)


def figures(ladder: Ladder) -> dict[str, float]:
    return {rung.cause: rung.figure for rung in ladder.rungs}


def factors(rungs: tuple[Rung, ...]) -> dict[str, float]:
    """Those that are not 1."""
    return {rung.cause: rung.factor for rung in rungs if rung.factor != 1}


def test_the_ladder_of_the_medium_pool(medium: Problem, audited: Audit) -> None:
    assert audited.sizes == coarse_sizes(40)
    assert audited.budgets == pytest.approx((0.2, 0.8, 1.4, 1.8, 2.0, 2.4, 3.0, 6.0, 12.0))
    ladder = audited.cheapest_token
    assert audited.balanced.figure == ladder.rungs[0].figure == pytest.approx(0.191477, abs=5e-7)
    found = figures(ladder)
    assert found[causes.WEIGHTED] == pytest.approx(0.105747, abs=5e-7)
    assert found[causes.BIG_M] == pytest.approx(0.103563, abs=5e-7)
    assert found[causes.SIZES] == pytest.approx(0.0986975, abs=5e-8)
    assert set(factors(ladder.rungs)) == {causes.WEIGHTED, causes.BIG_M, causes.SIZES}
    assert ladder.total == pytest.approx(1.94, abs=0.0005)
    for rung in ladder.rungs[2:]:
        assert rung.plan is not None
        assert verify_plan(rung.plan, medium, CORRECTED) == ()


def test_the_big_m_alone_costs_more_than_half_of_the_throughput(audited: Audit) -> None:
    ladder = audited.most_throughput
    assert ladder.rungs[0].figure == pytest.approx(9536.74, abs=0.005)
    assert ladder.rungs[-1].figure == pytest.approx(21457.67, abs=0.005)
    assert factors(ladder.rungs) == {causes.BIG_M: pytest.approx(2.25)}
    assert factors(ladder.alone)[causes.BIG_M] == pytest.approx(2.25)
    # More TP degrees mean more unused groups, and each of those keeps the cap.
    assert factors(ladder.alone)[causes.DIVISION] == pytest.approx(8344.65 / 9536.74, rel=1e-5)


def test_what_one_cause_does_to_the_exact_method(audited: Audit) -> None:
    added = {rung.cause: rung.factor for rung in audited.cheapest_token.added}
    assert set(added) == {causes.ORDER, causes.DIVISION, causes.ONE_LAYER, causes.SIZES}
    assert added[causes.SIZES] == pytest.approx(1.0493, abs=5e-5)


def test_a_coarser_grid_of_budgets_misses_the_best(medium: Problem) -> None:
    """1 x ballpark, the ends and the middle: 2, 6 and 12 USD/h of which 6 buys the cheapest token."""
    config = replace(medium.config, budget_factors=(1.0,))
    found = audit(replace(medium, config=config))
    assert found.budgets == pytest.approx((0.2, 2.0, 6.0, 12.0))
    assert factors(found.cheapest_token.rungs)[causes.GRID] == pytest.approx(0.168937 / 0.105747, rel=1e-5)


def test_the_weight_and_the_sizes_are_the_configs(medium: Problem) -> None:
    config = replace(medium.config, cost_throughput_weight=1.0, segment_sizes=fine_sizes(40))
    found = audit(replace(medium, config=config))
    assert found.sizes == fine_sizes(40)
    assert found.cheapest_token.rungs[0].point is not None
    assert found.cheapest_token.rungs[0].point.usd_per_hour == pytest.approx(2.0)


def test_no_rung_is_above_the_budget(medium: Problem) -> None:
    found = audit(replace(medium, config=replace(medium.config, max_hourly_cost=4.0)))
    for ladder in (found.cheapest_token, found.most_throughput):
        assert all(
            rung.point is not None and rung.point.usd_per_hour <= 4 + 1e-9
            for rung in ladder.rungs + ladder.alone + ladder.added
        )
    assert found.most_throughput.rungs[-1].figure == pytest.approx(10131.97, abs=0.005)


def problem(
    layers: int, *counts: int, memory_gb: float = 1.5, stages: int = 4, tflops: tuple[float, ...] = ()
) -> Problem:
    """Types of 1 USD/h with these counts; a layer weighs 1 GB, activations next to nothing."""
    config = Config(
        model_name="built",
        sequence_length=256,
        batch_size=1,
        num_decoder_layers=layers,
        d_model=512,
        layer_weight_memory_gb=1.0,
        bytes_per_element=2,
        max_pipeline_stages=stages,
        min_layers_per_stage=1,
        min_memory_utilization=0.0,
    )
    speeds = tflops or (1.0,) * len(counts)
    pool = tuple(
        GpuType(f"type {i}", count, memory_gb, 1.0, GpuSpec(speed, 1e6, 1.0))
        for i, (count, speed) in enumerate(zip(counts, speeds, strict=True))
    )
    return Problem(config, pool, np.full((sum(counts), sum(counts)), LINKS))


def test_the_big_m_fires() -> None:
    """A type that is 100 times slower caps the plan although it is not in it."""
    found = audit(problem(4, 1, 1, memory_gb=5.0, tflops=(100.0, 1.0)), sizes=all_sizes(4)).cheapest_token
    assert factors(found.alone) == {causes.BIG_M: pytest.approx(100 / 3)}


def test_numbers_without_type_fire() -> None:
    """GPU 0 of one type and GPU 0 of the other cannot be neighbours, so there is no plan at all."""
    found = audit(problem(2, 1, 1), sizes=(1, 2)).cheapest_token
    assert factors(found.alone) == {causes.GPU_NUMBERS: math.inf}
    assert factors(found.rungs) == {causes.GPU_NUMBERS: math.inf}
    assert found.total == math.inf
    assert found.rungs[0].plan is None


def test_the_filter_fires() -> None:
    """The only two groups that the order allows have the slowest of 10 links between them, both ways."""
    slow = problem(2, 5, stages=2)
    links = slow.bandwidth_gb_per_s.copy()
    links[0, 1] = links[1, 0] = LINKS / 2
    found = audit(replace(slow, bandwidth_gb_per_s=links), sizes=(1,)).cheapest_token
    # Pairs and fours of GPUs add slow links, until the percentile is one of them.
    assert factors(found.alone) == {causes.FILTER: math.inf, causes.DIVISION: math.inf}
    assert factors(found.rungs) == {causes.FILTER: math.inf}


def test_the_order_of_groups_fires() -> None:
    """Two layers on TP 2 and one on TP 1 are cheapest, and both need the type's first GPU."""
    found = audit(problem(3, 4, stages=2), sizes=all_sizes(3)).cheapest_token
    four_gpus, three_gpus = 4 / (3.2 / 3), 3 / 0.9
    assert factors(found.rungs)[causes.ORDER] == pytest.approx(four_gpus / three_gpus)


def test_divisibility_fires() -> None:
    """Three GPUs make no pair."""
    found = audit(problem(2, 3, stages=1), sizes=(1, 2)).cheapest_token
    assert factors(found.alone) == {causes.DIVISION: math.inf}


def test_a_layer_that_does_not_fit_fires() -> None:
    """The documented plan cannot run: taking the cause away leaves none."""
    found = audit(problem(1, 1, memory_gb=0.5), sizes=(1,)).cheapest_token
    assert factors(found.alone) == {causes.ONE_LAYER: 0.0}
    assert (found.total, found.rungs[-1].figure, found.rungs[-1].plan) == (0.0, math.inf, None)


def test_few_sizes_fire() -> None:
    """TP 2 at 0.9 of linear instead of two stages of one layer."""
    found = audit(problem(2, 2), sizes=(2,)).cheapest_token
    assert factors(found.alone) == {causes.SIZES: pytest.approx(1 / 0.9)}
    assert factors(found.added) == {causes.SIZES: pytest.approx(1 / 0.9)}


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_ladder_leads_to_the_optimum(
    small_problems: st.SearchStrategy[Problem], every_plan: EveryPlan, data: st.DataObject
) -> None:
    drawn = data.draw(small_problems)
    sizes = tuple(sorted(data.draw(st.sets(st.integers(1, drawn.layers), min_size=1))))
    found = audit(drawn, sizes=sizes)
    plans = list(every_plan(drawn, all_sizes(drawn.layers)))
    cheapest = min((usd / 0.0036 / rate for rate, usd in plans), default=math.inf)
    assert found.cheapest_token.rungs[-1].figure == pytest.approx(cheapest)
    fastest = max((rate for rate, _ in plans), default=0.0)
    assert found.most_throughput.rungs[-1].figure == pytest.approx(fastest)
    documented = documented_front(drawn, sizes, DOCUMENTED)
    at_any_budget = documented.cheapest_token()
    assert figures(found.cheapest_token)[causes.GRID] == (
        at_any_budget.usd_per_million_tokens if at_any_budget else math.inf
    )
    for ladder in (found.cheapest_token, found.most_throughput):
        steps = [rung.factor for rung in ladder.rungs]
        if all(0 < factor < math.inf for factor in steps):
            assert math.prod(steps) == pytest.approx(ladder.total)
        placed = {rung.cause: rung.factor for rung in ladder.rungs}[causes.ONE_LAYER]
        if placed == 1:
            assert ladder.total >= 1 - 1e-9
