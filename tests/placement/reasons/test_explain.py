from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.exact.front import FrontPoint, exact_front
from harness.placement.exact.ratio import cheapest_token
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.reasons.explain import Explanation, StageLoad, explain
from harness.placement.reasons.what_if import Change
from harness.placement.segments import CORRECTED, DOCUMENTED, all_sizes, coarse_sizes
from harness.placement.stages import stage_table

EveryPlan = Callable[[Problem, tuple[int, ...]], Iterator[tuple[float, float]]]

NOTHING = Change(0.0, 0.0)


@pytest.fixture(scope="module")
def best(medium: Problem) -> FrontPoint:
    found = cheapest_token(stage_table(medium))
    assert found is not None
    return found.point


@pytest.fixture(scope="module")
def explained(medium: Problem, best: FrontPoint) -> Explanation:
    return explain(medium, best)


def test_the_bottleneck_of_the_medium_plan(explained: Explanation) -> None:
    assert explained.bottleneck == (StageLoad("V100", 2, 7, 4, pytest.approx(10131.97, abs=0.005), 1.0),)
    assert [stage.busy for stage in explained.stages] == [1.0, pytest.approx(27 / 28)]


def test_what_binds_the_medium_plan(explained: Explanation) -> None:
    """All 12 V100 are used: four more would pay, one more makes no TP group and changes nothing."""
    assert explained.used_up == explained.binding == ("V100",)
    assert (explained.stages_used, explained.most_stages, explained.one_more_stage) == (5, 8, NOTHING)
    v100 = explained.types[3]
    assert (v100.used, v100.count, v100.one_more) == (12, 12, NOTHING)
    assert v100.one_fewer is not None
    assert v100.one_fewer.usd_per_million_tokens == pytest.approx(0.1033973 - 0.0986975, abs=5e-7)
    assert v100.one_fewer.usd_per_hour == pytest.approx(0.2)
    assert v100.useful is not None
    assert v100.useful[0] == 4
    assert all(value.useful is None for value in explained.types if value.gpu_type != "V100")


def test_the_prices_at_which_the_medium_plan_flips(explained: Explanation) -> None:
    assert explained.is_cheapest_token
    v100, a100 = explained.types[3], explained.types[0]
    assert v100.high.usd_per_hour == pytest.approx(0.3147894, abs=5e-8)
    assert v100.high.plan is not None
    assert [(stage.gpu_type, stage.layers) for stage in v100.high.plan.stages] == [("A100", 5)] * 8
    assert (v100.low.usd_per_hour, v100.low.plan) == (0.0, None)
    assert a100.low.usd_per_hour == pytest.approx(0.9530182, abs=5e-8)
    assert (a100.high.usd_per_hour, a100.high.plan) == (math.inf, None)


def test_the_plan_after_losing_a_type(medium: Problem, explained: Explanation) -> None:
    for value in explained.types:
        assert value.lost is not None
        assert verify_plan(value.lost, medium, CORRECTED) == ()
        assert all(stage.gpu_type != value.gpu_type for stage in value.lost.stages)
        expected = 0.103563 if value.gpu_type == "V100" else 0.0986975
        assert value.lost.usd_per_million_tokens == pytest.approx(expected, abs=5e-7)


def test_a_plan_that_is_not_the_cheapest_token_is_kept_at_its_throughput(medium: Problem) -> None:
    point = exact_front(stage_table(medium)).cheapest_at(7000)
    assert point is not None
    found = explain(medium, point)
    assert not found.is_cheapest_token
    # one A100 group of TP 4 holds the whole model: 4 x 1.0 = 10 x 0.4
    assert found.types[3].high.usd_per_hour == pytest.approx(0.4)


def test_few_sizes_are_kept_in_every_change(medium: Problem) -> None:
    table = stage_table(medium, sizes=coarse_sizes(40))
    found = cheapest_token(table)
    assert found is not None
    explained = explain(medium, found.point, sizes=coarse_sizes(40))
    assert all(value.lost is not None for value in explained.types)
    sizes = {stage.layers for value in explained.types for stage in value.lost.stages}  # type: ignore[union-attr]
    assert sizes <= set(coarse_sizes(40))
    assert explained.most_stages == explained.stages_used == 8


def test_a_gpu_more_is_a_loss_where_tp_must_divide_the_count(medium: Problem) -> None:
    """13 V100 form no groups at all."""
    rules = replace(CORRECTED, tp_divides_count=True)
    found = cheapest_token(stage_table(medium, rules))
    assert found is not None
    v100 = explain(medium, found.point, rules).types[3]
    assert v100.lost is not None
    assert v100.one_fewer == v100.one_more
    assert v100.one_more.usd_per_million_tokens == pytest.approx(0.103563 - 0.0986975, abs=5e-7)
    assert v100.useful == (1, v100.one_more)


def test_a_stage_more_is_worth_something_where_stages_are_short(medium: Problem) -> None:
    few = replace(medium, config=replace(medium.config, max_pipeline_stages=4))
    found = cheapest_token(stage_table(few))
    assert found is not None
    explained = explain(few, found.point)
    assert explained.one_more_stage.usd_per_million_tokens < 0
    assert "stages" in explained.binding


def test_documented_plans_are_refused(medium: Problem, best: FrontPoint) -> None:
    with pytest.raises(HarnessError, match="only plans of the exact method"):
        explain(medium, best, DOCUMENTED)


def test_links_that_could_bind_are_refused(medium: Problem, best: FrontPoint) -> None:
    slow = replace(medium, bandwidth_gb_per_s=np.full((64, 64), 0.5))
    with pytest.raises(HarnessError, match="may limit the fastest stage"):
        explain(slow, best)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": ((0, 5),)}, "do not hold 40 layers"),
        ({"usd_per_hour": 1.0}, "do not cost"),
        ({"choice": ((0, 5),) * 8, "usd_per_hour": 8.0}, "not on the front"),
    ],
)
def test_a_plan_of_another_problem_is_refused(
    medium: Problem, best: FrontPoint, change: dict[str, object], message: str
) -> None:
    with pytest.raises(HarnessError, match=message):
        explain(medium, replace(best, **change))


def _figures(plans: Iterator[tuple[float, float]], floor: float) -> tuple[float, float]:
    """Cheapest USD per million tokens, and USD/h at the floor."""
    found = list(plans)
    return (
        min((usd / 0.0036 / rate for rate, usd in found), default=math.inf),
        min((usd for rate, usd in found if rate >= floor * (1 - 1e-12)), default=math.inf),
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_values_equal_brute_force(
    small_problems: st.SearchStrategy[Problem], every_plan: EveryPlan, data: st.DataObject
) -> None:
    problem = data.draw(small_problems)
    points = exact_front(stage_table(problem)).points
    assume(points)
    point = data.draw(st.sampled_from(points))
    sizes, floor = all_sizes(problem.layers), point.tokens_per_s
    found = explain(problem, point)
    now = _figures(every_plan(problem, sizes), floor)
    assert found.is_cheapest_token == (point.usd_per_million_tokens <= now[0] * (1 + 1e-9))

    def change(other: Problem) -> Change:
        token, hour = (
            after - before
            for after, before in zip(_figures(every_plan(other, sizes), floor), now, strict=True)
        )
        return Change(pytest.approx(token, abs=1e-7 * now[0]), pytest.approx(hour, abs=1e-7 * now[1]))

    def with_count(index: int, count: int) -> Problem:
        pool = tuple(replace(gpu, count=count) if i == index else gpu for i, gpu in enumerate(problem.pool))
        return replace(problem, pool=pool)

    for index, (gpu, value) in enumerate(zip(problem.pool, found.types, strict=True)):
        assert value.one_more == change(with_count(index, gpu.count + 1))
        assert value.one_fewer == change(with_count(index, gpu.count - 1))
        left = _figures(every_plan(with_count(index, 0), sizes), 0.0)[0]
        assert (math.inf if value.lost is None else value.lost.usd_per_million_tokens) == pytest.approx(left)
        gains = [(n, change(with_count(index, gpu.count + n))) for n in (1, 2, 4, 8)]
        assert value.useful == next((gain for gain in gains if gain[1] != NOTHING), None)
        assert value.low.usd_per_hour <= gpu.usd_per_hour <= value.high.usd_per_hour
    longer = replace(problem.config, max_pipeline_stages=problem.config.max_pipeline_stages + 1)
    assert found.one_more_stage == change(replace(problem, config=longer))
