"""What the accuracy benchmarks compare: held-out judgements, and losses whose mean is the difference."""

import numpy as np
import pytest
from planted import items

from harness.detection.detector.auc import compare_aucs
from harness.detection.detector.combine import PAPER_CHUNK
from harness.detection.detector.selection import random_heads_ensemble
from harness.detection.trials.detectors import (
    auc_loss,
    called_at_half,
    called_wrong,
    default,
    fewer,
    judged,
    judged_ensemble,
)
from harness.detection.trials.planted import planted_items


def test_a_loss_is_the_difference_of_areas_with_its_own_spread():
    made = items(responses=150, seed=2)
    before, after = judged(made), judged(made, fewer(made, 0.1))
    losses = auc_loss(before, after)
    compared = compare_aucs(before.scores, after.scores, made.labels)
    assert np.mean(losses) == pytest.approx(before.auc - after.auc) == pytest.approx(-compared.difference)
    error = np.std(losses, ddof=1) / np.sqrt(len(losses))
    assert error == pytest.approx((compared.high - compared.low) / 2 / 1.96, rel=0.02)


def test_calls_are_compared_response_by_response():
    made = items(responses=90, seed=3)
    first, second = called_at_half(made), judged(made)
    assert first.scores.tolist() == second.scores.tolist()
    losses = called_wrong(first, second)
    expected = (second.called != made.labels).mean() - (first.called != made.labels).mean()
    assert np.mean(losses) == pytest.approx(expected)
    assert set(losses) <= {-1.0, 0.0, 1.0}


def test_less_training_data_is_less():
    made = items(responses=100, seed=4)
    assert fewer(made, 1.0)(made) == default(made)
    assert fewer(made, 0.05)(made) != default(made)


@pytest.mark.parametrize("vote", [False, True])
def test_an_ensemble_scores_every_response_once(vote):
    made = items(responses=80, seed=5)
    found = judged_ensemble(made, lambda training: random_heads_ensemble(training, PAPER_CHUNK), vote=vote)
    assert found.auc > 0.7
    assert found.f1 > 0.6


def test_planted_tables_are_as_large_as_asked():
    made = planted_items(responses=20, chunks=3, heads=5, layers=4, seed=1)
    assert (made.external.shape, made.parametric.shape, len(made.labels)) == ((60, 5), (60, 4), 20)
