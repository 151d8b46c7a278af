"""Whether confidence means what it says."""

import math

import numpy as np
import pytest
from extraction.scoring.small import TERM, found, result, row, truth
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.scoring import confidences, reliability, score_company


def test_values_that_are_right_as_often_as_they_say():
    table = reliability([(0.75, True)] * 3 + [(0.75, False)], bins=4)
    assert table.expected_error == 0.0
    assert [each.count for each in table.bins] == [0, 0, 4, 0]
    assert (table.bins[2].confidence, table.bins[2].right) == (0.75, 0.75)
    assert table.brier == pytest.approx(0.1875)


def test_errors_are_weighed_by_how_many_values_they_concern():
    table = reliability([(1.0, False)] + [(0.5, True)] * 3)
    assert table.expected_error == pytest.approx((1.0 + 3 * 0.5) / 4)
    assert table.greatest_error == 1.0


@pytest.mark.parametrize("number", range(1, 10))
def test_a_bound_belongs_to_the_bin_that_it_ends(number):
    assert reliability([(number / 10, True)]).bins[number - 1].count == 1


def test_the_ends():
    assert reliability([(0.0, False)]).bins[0].count == 1
    assert reliability([(1.0, True)]).bins[-1].count == 1


def test_no_values():
    table = reliability([])
    assert table.count == 0
    assert math.isnan(table.expected_error)
    assert all(math.isnan(each.right) for each in table.bins)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_what_is_no_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliability([(confidence, True)])


def test_there_must_be_a_bin():
    with pytest.raises(ValueError, match="a bin"):
        reliability([], bins=0)


def test_false_fills_count_as_not_right():
    rows = row(TERM, found("spread", "2.5 %", confidence=0.9), found("rate_cap", "4 %", confidence=0.4))
    assert confidences([score_company(result(rows), truth())]) == [(0.9, True), (0.4, False)]


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans())), st.integers(1, 20))
def test_every_value_is_in_one_bin_within_its_bounds(values, bins):
    table = reliability(values, bins)
    assert sum(each.count for each in table.bins) == table.count == len(values)
    for each in table.bins:
        if each.count:
            assert each.low - 1e-12 <= each.confidence <= each.high + 1e-12
    if values:
        assert 0.0 <= table.expected_error <= table.greatest_error + 1e-12 <= 1.0 + 2e-12


def test_honest_confidences_have_a_small_error():
    r = np.random.default_rng(0)
    values = [(float(each), bool(r.random() < each)) for each in r.random(20_000)]
    assert reliability(values).expected_error < 0.02
    assert reliability([(each**3, is_right) for each, is_right in values]).expected_error > 0.1
