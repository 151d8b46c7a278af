from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.exact.limits import Limits
from harness.placement.fleets.fleet import Fleet, fleet, largest_fleet, lay_out_fleet
from harness.placement.fleets.fleet_ip import Effort
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED
from harness.placement.stages import Choice, StageTable, stage_table

EveryChoice = Callable[[StageTable], Iterator[Choice]]
Gpus = tuple[int, ...]

LIMITS = st.builds(
    Limits,
    prefill_s=st.one_of(st.just(math.inf), st.integers(1, 20).map(lambda tenths: tenths / 10)),
    stages=st.one_of(st.none(), st.integers(1, 3)),
    single_type=st.booleans(),
    uniform_tp=st.booleans(),
)
NO_LIMITS = Limits()
NO_EFFORT = Effort(columns=0)


def gpus_of(table: StageTable, choice: Choice) -> Gpus:
    return tuple(
        sum(int(table.tp[kind]) for kind, _ in choice if table.type[kind] == index)
        for index in range(len(table.gpus))
    )


def keeps(table: StageTable, choice: Choice, limits: Limits) -> bool:
    return (
        sum(table.prefill_s[kind, layers] for kind, layers in choice) <= limits.prefill_s + 1e-9
        and len(choice) <= (limits.stages or len(choice))
        and not (limits.single_type and len({int(table.type[kind]) for kind, _ in choice}) > 1)
        and not (limits.uniform_tp and len({int(table.tp[kind]) for kind, _ in choice}) > 1)
    )


def most_by_gpus(table: StageTable, choices: Iterator[Choice], limits: Limits) -> dict[Gpus, float]:
    """The most tokens/s of any fleet on exactly these GPUs, by recursion over the pool."""
    best: dict[Gpus, float] = {}
    for choice in choices:
        if keeps(table, choice, limits):
            gpus = gpus_of(table, choice)
            best[gpus] = max(best.get(gpus, 0.0), table.rate(choice))
    served = {tuple([0] * len(table.gpus)): 0.0}
    for gpus in sorted(served_keys(table), key=sum):
        ways = [
            served[tuple(a - b for a, b in zip(gpus, own, strict=True))] + rate
            for own, rate in best.items()
            if tuple(a - b for a, b in zip(gpus, own, strict=True)) in served
        ]
        if ways:
            served[gpus] = max(ways)
    return served


def served_keys(table: StageTable) -> list[Gpus]:
    return [tuple(index) for index in np.ndindex(*(table.gpus + 1).tolist()) if any(index)]


def cost(table: StageTable, gpus: Gpus) -> float:
    return float(np.dot(gpus, table.usd_per_hour))


def check(found: Fleet, table: StageTable, limits: Limits = NO_LIMITS) -> None:
    """The fleet is what it says: within pool and limits, its throughput and cost its pipelines'."""
    used = np.zeros(len(table.gpus), dtype=np.int64)
    for pipeline in found.pipelines:
        used += pipeline.count * np.array(gpus_of(table, pipeline.choice))
        assert pipeline.count >= 1
        assert keeps(table, pipeline.choice, limits)
        assert sum(layers for _, layers in pipeline.choice) == table.layers
        assert len(pipeline.choice) <= table.most_stages
        assert pipeline.tokens_per_s == table.rate(pipeline.choice)
    assert (used <= table.gpus).all()
    assert found.usd_per_hour == pytest.approx(float(used @ table.usd_per_hour))
    assert found.tokens_per_s >= found.demand_tokens_per_s * (1 - 1e-9)
    assert not found.lower_bound_usd_per_hour > found.usd_per_hour * (1 + 1e-9)


@settings(max_examples=120, deadline=None)
@given(data=st.data(), limits=st.one_of(st.just(NO_LIMITS), LIMITS), fraction=st.floats(0.05, 1.1))
def test_fleets_equal_brute_force(
    small_tables: st.SearchStrategy[StageTable],
    every_choice: EveryChoice,
    data: st.DataObject,
    limits: Limits,
    fraction: float,
) -> None:
    table = data.draw(small_tables)
    free = data.draw(st.lists(st.sampled_from([0, 1, 1]), min_size=3, max_size=3))[: len(table.gpus)]
    more = data.draw(st.integers(0, 3))
    table = replace(table, gpus=table.gpus + more, usd_per_hour=table.usd_per_hour * free)
    served = most_by_gpus(table, every_choice(table), limits)
    demand = max(1.0, fraction * max(served.values()))
    costs = [cost(table, gpus) for gpus, most in served.items() if most >= demand]
    for effort in (None, NO_EFFORT):
        found = fleet(table, demand, limits, effort)
        assert bool(found.pipelines) == (found.status in ("optimal", "feasible"))
        if found.status == "infeasible":
            assert not costs
            assert not found.most_tokens_per_s < max(served.values()) * (1 - 1e-9)
            continue
        if found.pipelines:
            assert costs
            check(found, table, limits)
            assert found.usd_per_hour >= min(costs) - 1e-9
        assert found.lower_bound_usd_per_hour <= min(costs, default=math.inf) + 1e-6
        assert found.lp_usd_per_hour <= min(costs, default=math.inf) + 1e-6
        assert (found.status == "optimal") == (found.gap <= 1e-9)
        if math.isinf(limits.prefill_s) and effort is None:
            assert found.proven
            assert found.usd_per_hour == pytest.approx(min(costs))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), limits=LIMITS)
def test_the_largest_fleet_is_within_its_bound(
    small_tables: st.SearchStrategy[StageTable],
    every_choice: EveryChoice,
    data: st.DataObject,
    limits: Limits,
) -> None:
    table = data.draw(small_tables)
    served = max(most_by_gpus(table, every_choice(table), limits).values())
    found = largest_fleet(table, limits)
    assert found.tokens_per_s <= served * (1 + 1e-9)
    assert found.most_tokens_per_s >= served * (1 - 1e-9)
    if found.pipelines:
        check(found, table, limits)
    else:
        assert served == 0
    if found.status == "optimal":
        assert found.tokens_per_s == pytest.approx(served)


# research: the relaxation, and the best fleet known before any was proven
@pytest.mark.parametrize(
    ("demand", "lp", "usd", "known"),
    [
        (20_000, 7.463, 7.6, 8.0),
        (30_000, 11.007, 11.6, 11.6),
        (40_000, 16.818, 17.4, 17.6),
        (50_000, 23.881, 24.4, 24.4),
    ],
)
def test_fleets_of_the_medium_pool(
    medium: Problem, demand: float, lp: float, usd: float, known: float
) -> None:
    table = stage_table(medium)
    found = fleet(table, demand)
    check(found, table)
    assert found.status == "optimal"
    assert found.lp_usd_per_hour == pytest.approx(lp, abs=0.001)
    assert found.usd_per_hour == pytest.approx(usd)
    assert found.usd_per_hour <= known
    unproven = fleet(table, demand, effort=NO_EFFORT)
    check(unproven, table)
    assert usd - 1e-9 <= unproven.usd_per_hour <= known * 1.2


def test_one_pipeline_is_a_fleet(medium: Problem) -> None:
    found = fleet(stage_table(medium), 10_000)
    assert [(p.count, round(p.usd_per_hour, 6)) for p in found.pipelines] == [(1, 3.6)]


def test_cost_grows_with_demand(medium: Problem) -> None:
    table = stage_table(medium)
    found = [fleet(table, demand) for demand in np.linspace(3_000, 45_000, 7)]
    for less, more in pairwise(found):
        assert less.usd_per_hour <= more.usd_per_hour + 1e-9


def test_a_pool_too_small(medium: Problem) -> None:
    table = stage_table(medium)
    found = fleet(table, 60_000)
    assert (found.status, found.pipelines, found.proven) == ("infeasible", (), True)
    assert found.most_tokens_per_s == pytest.approx(57_265.49, abs=0.01)
    assert math.isnan(found.usd_per_hour)
    assert math.isnan(found.gap)
    largest = largest_fleet(table)
    check(largest, table)
    assert largest.status == "optimal"
    assert largest.tokens_per_s == pytest.approx(57_265.49, abs=0.01)
    assert largest.most_tokens_per_s == pytest.approx(largest.tokens_per_s)
    assert fleet(table, largest.tokens_per_s).pipelines
    assert fleet(table, largest.tokens_per_s + 1).status == "infeasible"


def test_a_pool_that_serves_fractions_only() -> None:
    """One and a half pipelines would serve 15 tokens/s, one serves 10."""
    table = StageTable(
        layers=1,
        most_stages=1,
        gpus=np.array([3]),
        usd_per_hour=np.array([1.0]),
        type=np.array([0]),
        tp=np.array([2]),
        tokens_per_s=np.array([[0.0, 10.0]]),
        prefill_s=np.array([[math.inf, 0.1]]),
    )
    assert fleet(table, 10).usd_per_hour == 2
    proven = fleet(table, 12)
    assert (proven.status, proven.most_tokens_per_s) == ("infeasible", 10)
    unproven = fleet(table, 12, effort=NO_EFFORT)
    assert (unproven.status, unproven.proven) == ("no plan found", False)
    assert unproven.lower_bound_usd_per_hour < math.inf


def test_nothing_fits(medium: Problem) -> None:
    table = stage_table(medium)
    empty = replace(table, tokens_per_s=np.zeros_like(table.tokens_per_s))
    assert fleet(empty, 1).status == "infeasible"
    assert largest_fleet(empty).most_tokens_per_s == 0


def test_a_latency_limit_leaves_an_honest_gap(medium: Problem) -> None:
    table, limits = stage_table(medium), Limits(prefill_s=0.6)
    found = fleet(table, 10_000, limits)
    check(found, table, limits)
    assert found.status == "feasible"
    assert not found.proven
    assert 0 < found.gap < 0.25


@pytest.mark.parametrize("demand", [0, -1, math.nan, math.inf])
def test_a_demand_that_is_none(medium: Problem, demand: float) -> None:
    with pytest.raises(HarnessError, match="allowed: more than 0"):
        fleet(stage_table(medium), demand)


@pytest.mark.parametrize("demand", [20_000, 40_000, 57_000])
def test_replicas_have_gpus_of_their_own(medium: Problem, demand: float) -> None:
    table = stage_table(medium)
    found = fleet(table, demand)
    plans = lay_out_fleet(found, table, medium)
    gpus = [gpu for plan in plans for stage in plan.stages for gpu in stage.gpus]
    assert len(gpus) == len(set(gpus))
    assert len(plans) == sum(pipeline.count for pipeline in found.pipelines)
    for plan in plans:
        assert verify_plan(plan, medium, CORRECTED) == ()
    assert sum(plan.tokens_per_s for plan in plans) == pytest.approx(found.tokens_per_s)
    assert sum(plan.usd_per_hour for plan in plans) == pytest.approx(found.usd_per_hour)
