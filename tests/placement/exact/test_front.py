from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.placement.exact.front import Front, FrontPoint, exact_front, pareto
from harness.placement.exact.sweep import sweep
from harness.placement.plan import verify_plan
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED, coarse_sizes, fine_sizes
from harness.placement.stages import Choice, StageTable, lay_out, stage_table

MEDIUM = {
    2.0: 2901, 2.2: 3054, 2.4: 6304, 2.9: 6448, 3.0: 7417, 3.6: 10132, 4.4: 11821, 5.0: 12875, 5.4: 14185,
    6.0: 15327, 6.4: 15761, 7.0: 17881, 8.0: 21458,
}  # fmt: skip


@pytest.fixture(scope="module")
def front(medium: Problem) -> Front:
    return exact_front(stage_table(medium))


def test_the_front_of_the_medium_pool(medium: Problem, front: Front) -> None:
    assert {round(p.usd_per_hour, 6): round(p.tokens_per_s) for p in front.points} == MEDIUM
    assert front.thresholds == 170
    assert front.proven
    table = stage_table(medium)
    for point in front.points:
        plan = lay_out(point.choice, table, medium)
        assert (plan.tokens_per_s, plan.usd_per_hour) == (point.tokens_per_s, point.usd_per_hour)
        assert verify_plan(plan, medium, CORRECTED) == ()


def test_more_stages_than_layers_cost_nothing(tiny: Problem) -> None:
    unlimited = replace(tiny, config=replace(tiny.config, max_pipeline_stages=10**9))
    assert exact_front(stage_table(unlimited)) == exact_front(stage_table(tiny))


def test_answers_from_the_front(front: Front) -> None:
    def usd(point: FrontPoint | None) -> float | None:
        return None if point is None else round(point.usd_per_hour, 6)

    assert usd(front.cheapest_token()) == 3.6
    assert [usd(front.cheapest_at(floor)) for floor in (0, 2_901, 6_304, 6_305, 21_457, 21_458)] == [
        2.0, 2.0, 2.4, 2.9, 8.0, None,
    ]  # fmt: skip
    assert [usd(front.fastest_within(budget)) for budget in (1.99, 2.0, 3.6, 3.99, 100)] == [
        None, 2.0, 3.6, 3.6, 8.0,
    ]  # fmt: skip
    assert [usd(front.best_weighted(weight)) for weight in (0, 2_814, 10_000, 190_000)] == [
        8.0,
        3.6,
        2.0,
        2.0,
    ]


@pytest.mark.parametrize(("rule", "loss"), [(coarse_sizes, 0.274), (fine_sizes, 0.207)], ids=["6", "14"])
def test_fewer_sizes_lose_throughput(medium: Problem, front: Front, rule, loss: float) -> None:  # type: ignore[no-untyped-def]
    few = exact_front(stage_table(medium, sizes=rule(40)))
    losses = []
    for point in front.points:
        best = few.fastest_within(point.usd_per_hour)
        assert best is not None
        losses.append(1 - best.tokens_per_s / point.tokens_per_s)
    assert max(losses) == pytest.approx(loss, abs=5e-4)


def test_any_oracle_will_do(medium: Problem, front: Front) -> None:
    """One that answers floor by floor, and only within a budget."""
    asked = []

    def within_4_usd(table: StageTable, floors: Sequence[float]) -> list[Choice | None]:
        asked.extend(floors)
        found = [sweep(table, [floor])[0] for floor in floors]
        return [
            choice
            if choice and sum(table.usd_per_hour[table.type[c]] * table.tp[c] for c, _ in choice) <= 4
            else None
            for choice in found
        ]

    cheap = exact_front(stage_table(medium), within_4_usd)
    assert cheap.points == tuple(point for point in front.points if point.usd_per_hour <= 4)
    assert cheap.visited == len(asked) == len(set(asked))


def test_an_oracle_below_its_floor_is_found_out(medium: Problem) -> None:
    table = stage_table(medium)
    slow = sweep(table, [1.0])[0]
    with pytest.raises(ValueError, match="slower than the floor"):
        exact_front(table, lambda _, floors: [slow for _ in floors])


def test_a_pool_that_holds_nothing(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    front = exact_front(stage_table(problem))
    assert front == Front((), 0, 0)
    assert front.cheapest_token() is None
    assert front.cheapest_at(0) is None
    assert front.fastest_within(1e9) is None
    assert front.best_weighted(1) is None


def test_pareto_keeps_what_nothing_beats() -> None:
    def point(tokens_per_s: float, usd: float) -> FrontPoint:
        return FrontPoint(tokens_per_s, usd, ())

    assert pareto([point(3, 3), point(1, 1), point(2, 3), point(3, 4), point(1, 2), point(2, 1)]) == (
        point(2, 1), point(3, 3),
    )  # fmt: skip
