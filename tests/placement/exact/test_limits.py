from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.front import exact_front
from harness.placement.exact.limits import Limits, latency_row, limited_front, parts, prefill_s
from harness.placement.problem import Problem
from harness.placement.stages import Choice, StageTable, stage_table

EveryChoice = Callable[[StageTable], Iterator[Choice]]

LIMITS = st.builds(
    Limits,
    prefill_s=st.one_of(st.just(math.inf), st.integers(1, 20).map(lambda tenths: tenths / 10)),
    stages=st.one_of(st.none(), st.integers(1, 4)),
    single_type=st.booleans(),
    uniform_tp=st.booleans(),
)


def usd_per_hour(table: StageTable, choice: Choice) -> float:
    return math.fsum(table.usd_per_hour[table.type[kind]] * table.tp[kind] for kind, _ in choice)


def keeps(table: StageTable, choice: Choice, limits: Limits) -> bool:
    return (
        sum(table.prefill_s[kind, layers] for kind, layers in choice) <= limits.prefill_s + 1e-9
        and len(choice) <= (limits.stages or len(choice))
        and not (limits.single_type and len({int(table.type[kind]) for kind, _ in choice}) > 1)
        and not (limits.uniform_tp and len({int(table.tp[kind]) for kind, _ in choice}) > 1)
    )


def undominated(plans: set[tuple[float, float]]) -> list[tuple[float, float]]:
    """(tokens/s, USD/h) that no other plan beats, by ascending throughput; costs to a millionth."""
    plans = {(rate, round(usd, 6)) for rate, usd in plans}
    return sorted(
        (rate, usd)
        for rate, usd in plans
        if not any(
            other_rate >= rate and other <= usd and (other_rate, other) != (rate, usd)
            for other_rate, other in plans
        )
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data(), limits=LIMITS)
def test_the_front_within_limits_equals_brute_force(
    small_tables: st.SearchStrategy[StageTable],
    every_choice: EveryChoice,
    data: st.DataObject,
    limits: Limits,
) -> None:
    table = data.draw(small_tables)
    plans = {
        (table.rate(choice), usd_per_hour(table, choice))
        for choice in every_choice(table)
        if keeps(table, choice, limits)
    }
    front = limited_front(table, limits)
    assert [(p.tokens_per_s, round(p.usd_per_hour, 6)) for p in front.points] == undominated(plans)
    for point in front.points:
        assert keeps(table, point.choice, limits)
        assert point.tokens_per_s == table.rate(point.choice)
        assert point.usd_per_hour == pytest.approx(usd_per_hour(table, point.choice))


@pytest.mark.parametrize(
    ("limits", "usd_per_million"),
    [
        *((Limits(prefill_s=most), usd) for most, usd in ((3, 0.098697), (2, 0.103104), (1.5, 0.105747))),
        *((Limits(prefill_s=most), usd) for most, usd in ((1, 0.11456), (0.8, 0.120248), (0.6, 0.129454))),
        (Limits(), 0.098697),
        (Limits(uniform_tp=True), 0.098697),
        (Limits(single_type=True), 0.098697),
        (Limits(stages=3), 0.105747),
        (Limits(stages=3, prefill_s=2, single_type=True, uniform_tp=True), 0.105747),
    ],
    ids=str,
)
def test_cheapest_token_of_the_medium_pool(medium: Problem, limits: Limits, usd_per_million: float) -> None:
    point = limited_front(stage_table(medium), limits).cheapest_token()
    assert point is not None
    assert point.usd_per_million_tokens == pytest.approx(usd_per_million, abs=1e-6)


@pytest.mark.parametrize(
    ("limits", "usd_per_million"),
    [
        (Limits(uniform_tp=True), {1: 0.103563, 2: 0.098697, 4: 0.105747, 8: 0.120854}),
        (
            Limits(single_type=True),
            {"V100": 0.098697, "A100": 0.103563, "A10": 0.172329, "T4": 0.186414, "L20": 0.228082},
        ),
    ],
    ids=["per TP", "per type"],
)
def test_each_part_of_the_medium_pool(
    medium: Problem, limits: Limits, usd_per_million: dict[object, float]
) -> None:
    table = stage_table(medium)
    found = {}
    for part in parts(table, limits):
        held = part.tokens_per_s.any(axis=1)
        name = medium.pool[int(table.type[held][0])].name if limits.single_type else int(table.tp[held][0])
        point = exact_front(part).cheapest_token()
        assert point is not None
        found[name] = point.usd_per_million_tokens
    assert found == pytest.approx(usd_per_million, abs=1e-6)


def test_a_limit_may_be_met_exactly(medium: Problem) -> None:
    table = stage_table(medium)
    point = limited_front(table, Limits()).cheapest_token()
    assert point is not None
    exactly = Limits(prefill_s=prefill_s(table, point.choice))
    assert limited_front(table, exactly).cheapest_token() == point
    slower = limited_front(table, replace(exactly, prefill_s=exactly.prefill_s * (1 - 1e-6)))
    assert all(prefill_s(table, p.choice) < exactly.prefill_s for p in slower.points)


def test_every_floor_agrees_with_the_program(medium: Problem) -> None:
    table, limits = stage_table(medium), Limits(prefill_s=0.8)
    front = limited_front(table, limits)
    for floor in table.thresholds[::10].tolist():
        choice = cheapest_choice(table, floor, latency_row(table, limits.prefill_s))
        point = front.cheapest_at(floor)
        assert (choice is None) == (point is None)
        if choice is not None and point is not None:
            assert usd_per_hour(table, choice) == pytest.approx(point.usd_per_hour)


def test_stages_without_a_latency_break_every_latency_limit(medium: Problem) -> None:
    table = stage_table(medium)
    unknown = replace(table, prefill_s=np.full_like(table.prefill_s, np.inf))
    assert limited_front(unknown, Limits(prefill_s=1e9)).points == ()
    assert limited_front(unknown, Limits()).points == limited_front(table, Limits()).points


@pytest.mark.parametrize("figures", [{"prefill_s": 0}, {"prefill_s": math.nan}, {"stages": 0}], ids=str)
def test_a_limit_that_nothing_can_meet_is_a_mistake(figures: dict[str, float]) -> None:
    with pytest.raises(HarnessError, match="allowed"):
        Limits(**figures)  # type: ignore[arg-type]
