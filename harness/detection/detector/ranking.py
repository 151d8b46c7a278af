"""Which heads and layers tell hallucinations: ranked on the responses of a training set, never on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.detection.detector.auc import aucs
from harness.detection.detector.items import Indices, Items
from harness.measure.stats import Floats


@dataclass(frozen=True, slots=True)
class Ranking:
    """Numbers of heads and of layers, the most telling first; of equals the lower number."""

    heads: Indices
    layers: Indices


def rank(items: Items) -> Ranking:
    """By area under the ROC curve over units, as the published code ranks: a head by how low its external
    score is where the answer is hallucinated, a layer by how high its parametric score is."""
    by_head = aucs(-items.external.T, items.unit_labels)
    by_layer = aucs(items.parametric.T, items.unit_labels)
    return Ranking(_descending(by_head), _descending(by_layer))


def _descending(values: Floats) -> Indices:
    return np.argsort(-np.nan_to_num(values, nan=0.5), kind="stable")
