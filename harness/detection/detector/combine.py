"""The detector: a weighted difference of summed scores. Everything it takes from data is from training data.

H = m * sum of parametric scores - alpha * sum of external scores, each sum first scaled to [0, 1] by the
extremes of the training units (ReDeEP, section 3.3; the published code calls the paper's beta alpha, and m
the paper's alpha). A response's score is the mean over its units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.detection.detector.curves import best_threshold
from harness.detection.detector.items import Items
from harness.detection.detector.ranking import Ranking, rank
from harness.measure.stats import Floats

_HEAVIEST = 1e6


@dataclass(frozen=True, slots=True)
class Weights:
    """How many of the ranked heads and layers are summed, and how the sums are weighted."""

    heads: int = 3
    layers: int = 4
    alpha: float = 0.6
    m: float = 1.0

    def __post_init__(self) -> None:
        if self.heads < 0 or self.layers < 0 or not (self.heads or self.layers):
            raise ValueError(f"at least one head or layer: {self}")
        if not (0.0 <= self.alpha <= _HEAVIEST and 0.0 <= self.m <= _HEAVIEST and self.alpha + self.m > 0.0):
            raise ValueError(f"alpha and m from 0 to {_HEAVIEST:g}, not both 0: {self}")


PAPER_CHUNK = Weights(3, 4, 0.6)
"""What the paper tuned for LLaMA-2-7B-chat on RAGTruth, at chunk level; the guide calls it untuned."""
PAPER_TOKEN = Weights(1, 10, 0.2)
"""The same at token level."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A fitted detector. `heads` and `layers` are numbers of columns, ranges (least, most) in training."""

    heads: tuple[int, ...]
    layers: tuple[int, ...]
    external_range: tuple[float, float]
    parametric_range: tuple[float, float]
    weights: Weights
    threshold: float


def fit(items: Items, weights: Weights, ranking: Ranking | None = None) -> Detector:
    """Rank, scale and choose the threshold of the best F1 on these items alone.

    `ranking` takes the place of one that is made of them.
    """
    order = ranking or rank(items)
    heads = tuple(int(each) for each in order.heads[: weights.heads])
    layers = tuple(int(each) for each in order.layers[: weights.layers])
    external, parametric = sums(items, heads, layers)
    detector = Detector(heads, layers, extremes(external), extremes(parametric), weights, 0.0)
    scores = predict(detector, items)
    return Detector(
        heads,
        layers,
        detector.external_range,
        detector.parametric_range,
        weights,
        best_threshold(scores, items.labels),
    )


def predict(detector: Detector, items: Items) -> Floats:
    """The score of each response, the higher the more hallucinated."""
    return items.of_responses(unit_scores(detector, items))


def unit_scores(detector: Detector, items: Items) -> Floats:
    """The score of each unit."""
    external, parametric = sums(items, detector.heads, detector.layers)
    weights = detector.weights
    return weights.m * scaled(parametric, detector.parametric_range) - weights.alpha * scaled(
        external, detector.external_range
    )


def sums(items: Items, heads: tuple[int, ...], layers: tuple[int, ...]) -> tuple[Floats, Floats]:
    """External and parametric sum of each unit."""
    return items.external[:, list(heads)].sum(axis=1), items.parametric[:, list(layers)].sum(axis=1)


def extremes(values: Floats) -> tuple[float, float]:
    """Least and most."""
    return float(values.min()), float(values.max())


def scaled(values: Floats, between: tuple[float, float]) -> Floats:
    """`between` mapped to [0, 1]; 0 where there is nothing between."""
    low, high = between
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
