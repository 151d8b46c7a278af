"""Areas and their intervals, against pairs counted one by one and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.detection.detector.auc import (
    auc,
    aucs,
    compare_aucs,
    correlation,
    grouped_auc_interval,
    midranks,
    within_auc,
    within_auc_interval,
)

# few values, so that ties are common; neighbours that differ in the last bit; both zeros
VALUES = st.sampled_from([-1.0, -0.0, 0.0, 0.5, math.nextafter(0.5, 1.0), 0.7, 1e-300, 3.0])
LABELLED = st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=30)


def pairs(scores, labels):
    """Share of (positive, negative) pairs in the right order, ties counted half."""
    right = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, is_a in zip(scores, labels, strict=True)
        for b, is_b in zip(scores, labels, strict=True)
        if is_a and not is_b
    ]
    return sum(right) / len(right) if right else math.nan


@given(LABELLED)
def test_an_area_is_the_share_of_pairs_in_the_right_order(drawn):
    scores, labels = zip(*drawn, strict=True)
    expected = pairs(scores, labels)
    found = auc(scores, labels)
    assert found.auc == pytest.approx(expected, nan_ok=True, abs=1e-12)
    assert float(aucs(scores, labels)) == pytest.approx(expected, nan_ok=True, abs=1e-12)
    assert 0.0 <= found.low <= found.high <= 1.0


@given(LABELLED)
def test_turned_around_the_area_is_the_rest(drawn):
    scores, labels = (np.array(each) for each in zip(*drawn, strict=True))
    assert float(aucs(-scores, labels)) == pytest.approx(1.0 - float(aucs(scores, labels)), nan_ok=True)


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_equal_values_share_their_rank(values):
    expected = [sum(b < a for b in values) + (sum(b == a for b in values) + 1) / 2 for a in values]
    assert midranks(values).tolist() == pytest.approx(expected)


def test_many_scorings_at_once():
    r = np.random.default_rng(1)
    table, labels = np.round(r.normal(size=(3, 4, 50)), 1), r.random(50) < 0.4
    found = aucs(table, labels)
    assert found.shape == (3, 4)
    expected = [[pairs(row, labels) for row in rows] for rows in table]
    assert np.abs(found - np.array(expected)).max() < 1e-12


def test_it_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    r = np.random.default_rng(2)
    scores, labels = np.round(r.normal(size=300), 2), r.random(300) < 0.3
    assert auc(scores, labels).auc == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    r = np.random.default_rng(3)
    shift, trials = 1.0, 400
    truth = 0.5 * (1.0 + math.erf(shift / 2.0))
    covered = 0
    for _ in range(trials):
        scores = np.concatenate([r.normal(size=60), r.normal(shift, size=40)])
        found = auc(scores, np.arange(100) >= 60)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / trials <= 0.985


def test_a_paired_difference_is_narrower_than_two_intervals():
    r = np.random.default_rng(4)
    labels = r.random(300) < 0.5
    first = r.normal(size=300) + labels
    second = first + 0.2 * r.normal(size=300)
    found = compare_aucs(first, second, labels)
    assert found.low <= found.difference <= found.high
    assert found.high - found.low < auc(first, labels).high - auc(first, labels).low
    assert compare_aucs(first, first, labels).p == 1.0
    noise = r.normal(size=300)
    assert compare_aucs(noise, first, labels).p < 0.001
    assert compare_aucs(noise, first, labels).difference == pytest.approx(
        auc(first, labels).auc - auc(noise, labels).auc
    )


def test_sources_that_repeat_widen_the_interval():
    r = np.random.default_rng(5)
    labels = np.repeat(r.random(40) < 0.5, 6)
    scores = np.repeat(r.normal(size=40), 6) + labels
    groups = np.repeat(np.arange(40), 6)
    alone = auc(scores, labels)
    low, high = grouped_auc_interval(scores, labels, groups, seed=1, resamples=400)
    assert high - low > 1.5 * (alone.high - alone.low)
    assert grouped_auc_interval(scores, labels, np.zeros(240), seed=1) == (0.0, 1.0)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_within_tasks_nothing_is_left_of_a_score_that_only_tells_the_task(seed):
    r = np.random.default_rng(seed)
    tasks = r.integers(3, size=120)
    labels = r.random(120) < np.array([0.1, 0.5, 0.9])[tasks]
    score = tasks.astype(float)
    inside = within_auc(score, labels, tasks)
    assert math.isnan(inside) or inside == 0.5
    low, high = within_auc_interval(score, labels, tasks)
    assert low <= 0.5 <= high


def test_without_both_classes_there_is_no_area():
    assert math.isnan(auc([1.0, 2.0], [True, True]).auc)
    assert (auc([1.0, 2.0], [True, True]).low, auc([1.0], [False]).high) == (0.0, 1.0)
    assert math.isnan(within_auc([1.0, 2.0], [True, False], ["a", "b"]))
    assert math.isnan(correlation([1.0, 1.0], [True, False]))
    assert correlation([0.0, 1.0, 2.0], [False, False, True]) == pytest.approx(math.sqrt(0.75))


def test_pairs_that_are_all_in_order_are_no_certainty():
    labels = np.arange(12) >= 6
    perfect, reversed_ = auc(np.arange(12.0), labels), auc(-np.arange(12.0), labels)
    assert (perfect.auc, perfect.high) == (reversed_.high + 1.0 - reversed_.high, 1.0)
    assert 0.5 < perfect.low < 0.7
    assert reversed_.high == pytest.approx(1.0 - perfect.low)
    many = np.arange(1200) >= 600
    assert auc(np.arange(1200.0), many).low > 0.99
    tasks = np.where(np.arange(12) % 2, "a", "b")
    assert within_auc_interval(np.arange(12.0), labels, tasks)[0] < 0.7
    # the same for all is exactly one half, whatever the sample
    assert (auc(np.ones(12), labels).low, auc(np.ones(12), labels).high) == (0.5, 0.5)


def test_of_a_single_positive_little_is_known():
    scores, labels = np.arange(50.0), np.arange(50) == 40
    found = auc(scores, labels)
    assert found.auc == pytest.approx(40 / 49)
    assert (found.low < 0.1, found.high) == (True, 1.0)
    assert compare_aucs(scores, -scores, labels).low < 0.0 < compare_aucs(-scores, scores, labels).high
    assert compare_aucs(scores, scores, labels).high == 0.0


def test_infinite_scores_have_a_rank_and_no_number_has_none():
    labels = np.array([True, False, True, False])
    table = np.array([[-np.inf, 0.0, 1.0, 2.0], [np.inf, 0.0, 1.0, 2.0], [np.nan, 0.0, 1.0, 2.0]])
    found = aucs(table, labels)
    assert found[:2].tolist() == [pairs(row, labels) for row in table[:2]]
    assert math.isnan(found[2])
