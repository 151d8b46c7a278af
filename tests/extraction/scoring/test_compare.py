"""Two pipelines on the same companies."""

import math
from dataclasses import replace

import numpy as np
import pytest
from extraction.scoring.test_summary import scored

from harness.extraction.scoring import compare


def pair(seed: int, gain: float, count: int = 30):
    r = np.random.default_rng(seed)
    chances = r.beta(2, 2, size=count)
    before = [scored(str(n), int(r.binomial(20, 0.7 * chance)), 20) for n, chance in enumerate(chances)]
    after = [
        scored(str(n), int(r.binomial(20, min(1.0, 0.7 * chance + gain))), 20)
        for n, chance in enumerate(chances)
    ]
    return before, after


def test_a_gain_that_every_company_has_is_seen_though_companies_differ_more():
    before, after = pair(1, 0.15)
    step = compare(before, after, seed=0).measures["coverage"]
    assert step.value == step.after - step.before
    assert 0.0 < step.low <= step.value <= step.high < 0.3
    assert step.p < 0.01


def test_no_change_has_no_width():
    before, _ = pair(2, 0.0)
    step = compare(before, before, seed=0).measures["coverage"]
    assert (step.value, step.low, step.high, step.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_other_way_round_it_is_the_opposite():
    before, after = pair(3, 0.1)
    forth, back = compare(before, after, seed=0), compare(after, before, seed=0)
    one, other = forth.measures["coverage"], back.measures["coverage"]
    assert one.value == -other.value
    assert one.p == other.p
    assert one.low == pytest.approx(-other.high, abs=0.02)


def test_pairs_are_found_by_company_whatever_the_order():
    before, after = pair(4, 0.1)
    # printed, since NaN is not equal to itself
    assert repr(compare(before, after, seed=1)) == repr(compare(before[::-1], after, seed=1))


def test_costs_and_groups():
    before, after = pair(5, 0.1)
    both = compare(before, [replace(each, calls=14, tokens=0) for each in after], seed=0)
    assert (both.calls, both.tokens, both.companies) == (2.0, 0.0, 30)
    assert both.coverage_by_group["pricing"] == both.measures["coverage"]
    assert math.isnan(both.coverage_by_group["fees"].value)


def test_one_company_bounds_nothing():
    step = compare([scored("a", 1, 4)], [scored("a", 2, 4)], seed=0).measures["coverage"]
    assert (step.value, step.low, step.high) == (0.25, -1.0, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["a", "b"], ["a", "c"], "same companies"),
        (["a"], [], "same companies"),
        ([], [], "same companies"),
        (["a", "a"], ["a", "a"], "twice"),
    ],
)
def test_other_companies_are_refused(before, after, said):
    one, other = ([scored(name, 1, 2) for name in names] for names in (before, after))
    with pytest.raises(ValueError, match=said):
        compare(one, other, seed=0)
