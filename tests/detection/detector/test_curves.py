"""Thresholds: what is called at each, and the best one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.detection.detector.auc import auc
from harness.detection.detector.curves import best_threshold, confusion, curves

MIXED = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=2, max_size=30
).filter(lambda drawn: 0 < sum(label for _, label in drawn) < len(drawn))


@given(MIXED)
def test_every_threshold_says_what_it_would_call(drawn):
    scores, labels = zip(*drawn, strict=True)
    found = curves(scores, labels)
    for number, threshold in enumerate(found.thresholds):
        counts = confusion(scores, labels, threshold)
        assert found.true_positive_rate[number] == pytest.approx(counts.recall)
        assert found.f1[number] == pytest.approx(counts.f1)
        expected = 1.0 if threshold == math.inf else counts.precision
        assert found.precision[number] == pytest.approx(expected)
        assert counts.true_negatives + counts.false_positives == len(labels) - sum(labels)


@given(MIXED)
def test_the_area_below_the_curve_is_the_area(drawn):
    scores, labels = zip(*drawn, strict=True)
    found = curves(scores, labels)
    x, y = found.false_positive_rate, found.true_positive_rate
    below = float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2.0).sum())
    assert below == pytest.approx(auc(scores, labels).auc)


@given(MIXED)
def test_no_threshold_has_a_better_f1_than_the_best(drawn):
    scores, labels = zip(*drawn, strict=True)
    best = confusion(scores, labels, best_threshold(scores, labels)).f1
    assert best >= max(confusion(scores, labels, each).f1 for each in {*scores, math.inf}) - 1e-12


def test_one_class_alone():
    assert best_threshold([0.3, 0.4], [True, True]) == 0.3
    assert best_threshold([0.3, 0.4], [False, False]) == math.inf
    with pytest.raises(ValueError, match="both classes"):
        curves([0.3], [True])
    nothing = confusion(np.array([0.1]), np.array([False]), 0.5)
    assert (nothing.f1, nothing.accuracy) == (0.0, 1.0)
    assert math.isnan(nothing.recall)
    assert math.isnan(nothing.precision)
