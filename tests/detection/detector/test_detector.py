"""Ranking, combination, grid, folds, selection and controls, on planted signals and on none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import items

from harness.detection.detector.auc import auc
from harness.detection.detector.combine import PAPER_CHUNK, Weights, fit, predict, unit_scores
from harness.detection.detector.controls import (
    always_positive,
    control_scores,
    control_verdicts,
    judge,
    length_correlation,
)
from harness.detection.detector.folds import cross_validate, grid_fit, grouped_folds
from harness.detection.detector.grid import GUIDE, Grid, best_point, grid_aucs, naive_grid_aucs
from harness.detection.detector.items import chunk_items, response_items
from harness.detection.detector.ranking import rank
from harness.detection.detector.selection import (
    averaged,
    information_ranking,
    random_heads_ensemble,
    votes,
)
from harness.detection.sample import Sample, Scores


def sample(number, labels, chunks=()):
    tokens = tuple(range(4 + len(labels)))
    return Sample(str(number), f"g{number}", "qa", tokens, 4, (1, 3), labels, chunks)


def test_units_are_means_over_their_tokens():
    first = sample(0, (False, True, False), ((0, 1), (1, 3)))
    second = sample(1, (False, False))
    scores = [
        Scores(np.array([[1.0], [2.0], [6.0]]), np.array([[1.0, 0.0], [2.0, 2.0], [4.0, 8.0]])),
        Scores(np.array([[3.0], [5.0]]), np.array([[0.5, 0.5], [1.5, 2.5]])),
    ]
    whole = response_items([first, second], scores)
    assert whole.external.tolist() == [[3.0], [4.0]]
    assert whole.labels.tolist() == [True, False]
    parts = chunk_items([first, second], scores)
    assert parts.owner.tolist() == [0, 0, 1]
    assert parts.external.tolist() == [[1.0], [4.0], [4.0]]
    assert parts.parametric.tolist() == [[1.0, 0.0], [3.0, 5.0], [1.0, 1.5]]
    assert parts.unit_labels.tolist() == [False, True, False]
    assert chunk_items([first, second], scores, total=True).parametric[1].tolist() == [6.0, 10.0]
    assert parts.of_responses([1.0, 2.0, 5.0]).tolist() == [1.5, 5.0]


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(12)), st.integers(1, 12))
def test_any_order_is_any_order(order, count):
    made = items(responses=12)
    detector = fit(made, Weights(2, 2))
    chosen = np.array(order[:count])
    assert predict(detector, made.only(chosen)) == pytest.approx(predict(detector, made)[chosen])


def test_a_planted_signal_is_found_and_noise_is_not():
    found = cross_validate(items(responses=200, seed=1), lambda training: fit(training, PAPER_CHUNK))
    signal = auc(found.scores, items(responses=200, seed=1).labels)
    assert signal.low > 0.75
    nothing = items(responses=200, layers=8, effect=0.0, seed=2)
    held_out = cross_validate(nothing, lambda training: fit(training, PAPER_CHUNK))
    noise = auc(held_out.scores, nothing.labels)
    assert noise.low < 0.5 < noise.high
    # chosen and judged on the same items, noise looks like a signal
    assert grid_aucs(nothing).max() > noise.auc


def test_a_head_is_ranked_by_how_low_it_is_and_a_layer_by_how_high():
    made = items(effect=0.0)
    made.external[:, 5] = ~made.unit_labels
    made.parametric[:, 2] = made.unit_labels
    order = rank(made)
    assert (order.heads[0], order.layers[0]) == (5, 2)
    informed = information_ranking(made)
    assert (informed.heads[0], informed.layers[0]) == (5, 2)


def test_only_training_data_decide():
    made, other = items(seed=1), items(seed=2, effect=3.0)
    detector = fit(made, PAPER_CHUNK)
    assert detector == fit(made, PAPER_CHUNK)
    scaled = unit_scores(detector, made)
    assert (detector.weights.m - detector.weights.alpha) >= scaled.min()
    assert scaled.max() <= detector.weights.m
    # other data may leave the range of training
    assert unit_scores(detector, other).max() > detector.weights.m


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 999), effect=st.sampled_from([0.0, 0.5, 2.0]),
    heads=st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True),
    layers=st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True),
)  # fmt: skip
def test_the_vectorized_grid_is_the_loop(seed, effect, heads, layers):
    made = items(responses=25, effect=effect, seed=seed)
    grid = Grid(tuple(heads), tuple(layers), (0.5, 1.0, 2.0), (0.5, 1.0))
    fast, slow = grid_aucs(made, grid), naive_grid_aucs(made, grid)
    assert len(fast) == len(grid.points) == len(slow)
    assert np.abs(fast - np.array(slow)).max() < 1e-9
    assert best_point(fast) == best_point(slow)


def test_the_guides_grid_has_1960_points_of_which_1372_differ():
    assert (len(GUIDE.points), GUIDE.distinct, len(GUIDE.ratios[0])) == (1960, 1372, 28)
    with pytest.raises(ValueError, match="asks for 7 columns, 6"):
        grid_aucs(items(layers=6))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=10, max_size=60), st.integers(0, 99))
def test_folds_keep_sources_whole(drawn, seed):
    groups = [f"g{group}" for group, _ in drawn]
    labels = [label for _, label in drawn]
    if len(set(groups)) < 3:
        with pytest.raises(ValueError, match="3 folds"):
            grouped_folds(groups, labels, 3, seed)
        return
    fold = grouped_folds(groups, labels, 3, seed)
    assert set(fold.tolist()) == {0, 1, 2}
    for group in set(groups):
        assert len({int(fold[number]) for number, each in enumerate(groups) if each == group}) == 1


def test_a_tuned_detector_is_judged_on_what_it_was_not_tuned_on():
    made = items(responses=120, layers=8, seed=4)
    held_out = cross_validate(made, lambda training: grid_fit(training, folds=3), folds=4)
    assert auc(held_out.scores, made.labels).auc > 0.75
    assert len(held_out.detectors) == 4
    assert ((held_out.scores >= 0.0) & (held_out.scores <= 1.0)).all()


def test_ensembles_give_a_score_to_each_response():
    made = items(responses=80, seed=5)
    ensemble = random_heads_ensemble(made, Weights(2, 2), seed=1)
    assert len({member.heads for member in ensemble.members}) > 1
    assert averaged(ensemble, made).shape == votes(ensemble, made).shape == (80,)
    assert auc(averaged(ensemble, made), made.labels).auc > 0.7
    assert set(np.round(votes(ensemble, made) * 5).tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}


def test_a_detector_that_only_knows_the_task_is_found_out():
    made = items(responses=400, effect=0.0, task_effect=0.6, seed=6)
    scores = predict(fit(made, PAPER_CHUNK), made)
    judged = judge("detector", scores, made)
    assert judged.auc.low > 0.6
    assert judged.within_interval[0] < 0.5 < judged.within_interval[1]
    assert judged.task_auc > 0.95
    prior = judge("task prior", control_scores(made)["task prior"], made)
    assert prior.auc.auc >= judged.auc.auc - 0.02
    assert control_verdicts(scores, made)["always hallucinated"][1] > 0.0
    assert always_positive(made).recall == 1.0
    assert length_correlation(made).shape == (6,)


@given(st.integers(5, 60), st.integers(5, 60), st.integers(2, 5), st.integers(0, 99))
def test_folds_share_both_classes_evenly(positives, negatives, folds, seed):
    labels = [True] * positives + [False] * negatives
    fold = grouped_folds([f"g{number}" for number in range(len(labels))], labels, folds, seed)
    for flag in (True, False):
        counts = np.bincount(fold[np.array(labels) == flag], minlength=folds)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("folds", [1, 0, -3])
def test_less_than_two_folds_are_none(folds):
    with pytest.raises(ValueError, match="at least 2 folds"):
        grouped_folds(["a", "b"], [True, False], folds, 0)


def test_a_grid_with_few_sources_or_one_class():
    made = items(responses=24, seed=8)
    few = made.only(np.flatnonzero(np.isin(made.groups, ["source 0", "source 1", "source 2"])))
    if few.labels.all() or not few.labels.any():
        pytest.fail("the planted items changed")
    assert grid_fit(few, Grid((1, 2), (1,), (0.5,), (1.0,))).weights.heads in (1, 2)
    with pytest.raises(ValueError, match="no fold of the training responses has both classes"):
        grid_fit(made.only(np.flatnonzero(made.labels)), Grid((1,), (1,), (0.5,), (1.0,)))


@pytest.mark.parametrize(
    ("alpha", "m"), [(float("nan"), 1.0), (-1.0, 1.0), (0.0, 0.0), (1e308, 1.0), (0.6, float("inf"))]
)
def test_weights_that_weigh_nothing_are_refused(alpha, m):
    with pytest.raises(ValueError, match="alpha and m"):
        Weights(1, 1, alpha, m)


def test_an_ensembles_score_of_a_response_does_not_depend_on_the_others():
    made = items(responses=40, seed=9)
    ensemble = random_heads_ensemble(made, Weights(2, 2))
    alone = [averaged(ensemble, made.only(np.array([number])))[0] for number in range(5)]
    assert averaged(ensemble, made)[:5] == pytest.approx(alone)
