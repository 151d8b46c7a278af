"""The guide's other ways to a detector: heads by mutual information, ensembles, and thresholds.

Each is fitted on training items alone, so that it can be judged by the same held-out folds as the default.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.detection.detector.combine import Detector, Weights, fit, predict
from harness.detection.detector.items import Indices, Items
from harness.detection.detector.ranking import Ranking, rank
from harness.measure.stats import Floats

MEMBERS = 5
INFORMATION_HEADS = 16


def mutual_information(columns: Floats, labels: Floats, *, seed: int) -> Floats:
    """Mutual information of each column [items, columns] with the labels, in nats.

    scikit-learn's estimator (Ross 2014, PLoS ONE 9: e87357), whose noise `seed` fixes.
    """
    from sklearn.feature_selection import mutual_info_classif

    found: Floats = mutual_info_classif(columns, labels, random_state=seed)
    return found


def information_ranking(items: Items, *, seed: int = 0) -> Ranking:
    """Heads and layers by mutual information with the unit's label.

    The guide adds up a head's and a layer's of the same number, which have nothing to do with each other;
    here each is ranked by its own.
    """
    labels = items.unit_labels.astype(float)
    heads, layers = (
        mutual_information(columns, labels, seed=seed) for columns in (items.external, items.parametric)
    )
    return Ranking(_descending(heads), _descending(layers))


def information_fit(items: Items, weights: Weights, *, seed: int = 0) -> Detector:
    """A detector of the columns with most information."""
    return fit(items, weights, information_ranking(items, seed=seed))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Detectors whose scores are averaged, or that vote by their own thresholds.

    `scales` are each member's mean score and standard deviation in training.
    """

    members: tuple[Detector, ...]
    scales: tuple[tuple[float, float], ...]


def random_heads_ensemble(
    items: Items, weights: Weights, *, share: float = 0.5, members: int = MEMBERS, seed: int = 0
) -> Ensemble:
    """Members that each rank a random share of the heads and layers."""
    order, found = rank(items), []
    for number in range(members):
        r = random.Random(f"ensemble {seed} {number}")
        some = Ranking(_some(order.heads, share, r), _some(order.layers, share, r))
        found.append(fit(items, weights, some))
    scores = [predict(member, items) for member in found]
    return Ensemble(tuple(found), tuple((float(each.mean()), float(each.std())) for each in scores))


def averaged(ensemble: Ensemble, items: Items) -> Floats:
    """Mean of the members' scores of each response, each member's scaled by its spread in training.

    Over members only: the guide's mean over everything is one number for a whole batch. Nothing of a
    response's score depends on the others.
    """
    scaled = [
        (predict(member, items) - centre) / spread
        for member, (centre, spread) in zip(ensemble.members, ensemble.scales, strict=True)
        if spread > 0.0
    ]
    found: Floats = np.mean(np.array(scaled), axis=0) if scaled else np.zeros(len(items.labels))
    return found


def votes(ensemble: Ensemble, items: Items) -> Floats:
    """Share of the members that call each response hallucinated; more than half is the guide's vote."""
    calls = [predict(member, items) >= member.threshold for member in ensemble.members]
    found: Floats = np.mean(np.array(calls, dtype=float), axis=0)
    return found


def _some(order: Indices, share: float, r: random.Random) -> Indices:
    """A random share of the numbers, at least one, in their order."""
    count = max(1, round(share * len(order)))
    kept = set(r.sample(order.tolist(), count))
    chosen: Sequence[int] = [number for number in order.tolist() if number in kept]
    return np.array(chosen, dtype=np.int64)


def _descending(values: Floats) -> Indices:
    return np.argsort(-values, kind="stable")
