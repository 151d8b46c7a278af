"""Scores of companies as one, with intervals over companies."""

import math

import numpy as np
import pytest
from extraction.scoring.small import perfect, result, results_of, truth

from harness.extraction.schema.groups import GROUPS_13
from harness.extraction.scoring import MEASURES, CompanyScore, Outcome, score_company, summary


def scored(name: str, right: int, present: int, false_fills: int = 0) -> CompanyScore:
    """A company of which `right` of `present` spreads are found."""
    cells = [Outcome("A", "spread", "right" if number < right else "missed") for number in range(present)]
    cells += [
        Outcome("A", "country", "false_fill" if number < false_fills else "absent") for number in range(10)
    ]
    return CompanyScore(name, "", tuple(cells), 1, 1, 1, 7, 100)


def test_all_cells_of_all_companies_count_alike():
    total = summary([scored("a", 1, 2), scored("b", 9, 10)], seed=0)
    assert (total.coverage.part, total.coverage.whole) == (10, 12)
    assert total.coverage.value == 10 / 12
    assert (total.companies, total.facilities, total.calls, total.tokens) == (2, 2, 14, 200)


def test_groups_have_their_own_cells():
    total = summary([scored("a", 1, 2, 3), scored("b", 2, 2)], seed=0)
    assert list(total.groups) == [group.key for group in GROUPS_13]
    assert total.groups["pricing"].coverage.value == 0.75
    assert math.isnan(total.groups["project_details"].coverage.value)
    assert math.isnan(total.groups["project_details"].coverage.low)
    assert total.groups["project_details"].false_fills.value == 3 / 20
    assert sum(rates.coverage.whole for rates in total.groups.values()) == total.coverage.whole


def test_missed_and_invented_facilities():
    scores = [score_company(result(perfect().facilities[0]), truth())]
    total = summary(scores, seed=0)
    assert (total.facilities, total.missed, total.extra) == (2, 1, 0)


def test_one_company_bounds_nothing():
    total = summary([scored("a", 1, 2)], seed=0)
    assert (total.coverage.low, total.coverage.high) == (0.0, 1.0)


def test_companies_that_are_all_alike_have_no_spread():
    scores = [score_company(each, truth(each.company.name)) for each in results_of("abcdef")]
    total = summary(scores, seed=0)
    assert [getattr(total.rates, measure).value for measure in MEASURES] == [1.0, 1.0, 0.0, 1.0, 1.0]
    assert (total.coverage.low, total.coverage.high) == (1.0, 1.0)


def test_the_order_of_companies_and_nothing_else_is_free():
    r = np.random.default_rng(5)
    scores = [scored(str(number), int(r.integers(0, 9)), 8) for number in range(12)]
    first = summary(scores, seed=3)
    assert summary(scores[::-1], seed=3) == first
    few = [summary(scores, seed=seed, resamples=30).coverage for seed in range(4)]
    assert len(set(few)) > 1
    assert 0.0 <= first.coverage.low < first.coverage.value < first.coverage.high <= 1.0


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    r = np.random.default_rng(11)
    hits = 0
    for seed in range(100):
        chances = r.beta(6, 2, size=30)
        scores = [scored(str(n), int(r.binomial(20, chance)), 20) for n, chance in enumerate(chances)]
        rate = summary(scores, seed=seed, resamples=400).coverage
        hits += rate.low <= 0.75 <= rate.high
    # 95 % nominal; of 100 trials a true 90 % gives fewer than 82 with a chance below 1 in 100
    assert 82 <= hits <= 100


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="no scores"):
        summary([], seed=0)
