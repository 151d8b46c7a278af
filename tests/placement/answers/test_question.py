from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.answers.question import Question, sizes_of
from harness.placement.exact.front import Front, FrontPoint
from harness.placement.problem import Problem, tokens_per_s_per_usd
from harness.placement.rates import DOCUMENTED_RATES
from harness.placement.segments import CORRECTED, DOCUMENTED, all_sizes, coarse_sizes, fine_sizes


def question(
    budget: float | None = None, floor: float | None = None, weight: float | None = None
) -> Question:
    return Question(CORRECTED, DOCUMENTED_RATES, (1,), budget, floor, weight)


@st.composite
def fronts(draw: st.DrawFn) -> Front:
    """Throughput and cost both ascending, as a front is."""
    steps = draw(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), max_size=8))
    sums = itertools.accumulate(steps, lambda a, b: (a[0] + b[0], a[1] + b[1]))
    return Front(tuple(FrontPoint(rate, usd, ()) for rate, usd in sums), 0, 0)


@given(front=fronts(), budget=st.none() | st.floats(0.1, 40), floor=st.none() | st.floats(0.1, 40))
def test_the_choice_keeps_to_what_was_asked_and_no_other_point_does_better(
    medium: Problem, front: Front, budget: float | None, floor: float | None
) -> None:
    asked = question(budget, floor)
    point = asked.choose(front, medium.config)
    able = [
        each
        for each in front.points
        if (budget is None or each.usd_per_hour <= budget) and (floor is None or each.tokens_per_s >= floor)
    ]
    if not able:
        assert point is None or point.usd_per_hour == pytest.approx(budget)
        return
    assert point is not None
    assert asked.figure(point) <= min(asked.figure(each) for each in able) * (1 + 1e-9)


@given(front=fronts(), weight=st.floats(0, 1))
def test_a_weight_maximises_throughput_less_cost(medium: Problem, front: Front, weight: float) -> None:
    point = question(weight=weight).choose(front, medium.config)
    if not front.points:
        assert point is None
        return
    assert point is not None
    price = tokens_per_s_per_usd(weight, medium.config)
    if math.isinf(price):
        assert point == front.points[0]
    else:
        best = max(each.tokens_per_s - price * each.usd_per_hour for each in front.points)
        assert point.tokens_per_s - price * point.usd_per_hour == pytest.approx(best)


@pytest.mark.parametrize(
    ("budget", "floor", "weight", "goal"),
    [
        (None, None, None, "cheapest token"),
        (3.0, None, None, "fastest within 3 USD/h"),
        (None, 5e4, None, "cheapest at 50000 tokens/s or more"),
        (3.0, 2.5, None, "cheapest token within 3 USD/h at 2.5 tokens/s or more"),
        (None, None, 0.5, "most throughput less cost at weight 0.5"),
    ],
)
def test_the_goal_in_words(
    budget: float | None, floor: float | None, weight: float | None, goal: str
) -> None:
    assert question(budget, floor, weight).goal == goal


def test_the_weight_is_normalised_by_the_config(medium: Problem) -> None:
    assert tokens_per_s_per_usd(0.5, medium.config) == 10000
    assert tokens_per_s_per_usd(0.95, medium.config) == pytest.approx(190000)
    assert tokens_per_s_per_usd(0, medium.config) == 0
    assert math.isinf(tokens_per_s_per_usd(1, medium.config))


def test_sizes_follow_the_option_then_the_config_then_the_rules(medium: Problem) -> None:
    free = dataclasses.replace(medium.config, enable_segment_quantization=False)
    own = dataclasses.replace(medium.config, segment_sizes=(4, 8))
    assert sizes_of(None, medium, CORRECTED) == all_sizes(40)
    assert sizes_of(None, medium, DOCUMENTED) == coarse_sizes(40)
    assert sizes_of(None, dataclasses.replace(medium, config=free), DOCUMENTED) == all_sizes(40)
    for rules in (CORRECTED, DOCUMENTED):
        assert sizes_of(None, dataclasses.replace(medium, config=own), rules) == (4, 8)
        assert sizes_of("8,5,5", medium, rules) == (5, 8)
        assert sizes_of("fine", medium, rules) == fine_sizes(40)


@pytest.mark.parametrize("text", ["", "0,5", "41", "5;6", "five", "5.0", "-1"])
def test_impossible_sizes_are_refused(medium: Problem, text: str) -> None:
    with pytest.raises(HarnessError, match="--sizes"):
        sizes_of(text, medium, CORRECTED)
