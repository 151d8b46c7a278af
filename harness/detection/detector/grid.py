"""Every point of the guide's grid at once, and the loop it stands for.

The area depends on alpha / m alone, and the sums over the first n ranked columns are cumulative sums: 1,960
points are 49 pairs of sums times as many ratios as differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from harness.detection.detector.auc import aucs
from harness.detection.detector.combine import Weights
from harness.detection.detector.items import Indices, Items
from harness.detection.detector.ranking import rank
from harness.measure.stats import Floats

SAME_AUC = 1e-12
"""Areas closer than this are equal: a point's scores are rounded in another order."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of each axis."""

    heads: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    layers: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    alphas: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
    ms: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5)

    @property
    def points(self) -> list[Weights]:
        """All of them, in the order of the guide's four loops."""
        axes = product(self.heads, self.layers, self.alphas, self.ms)
        return [Weights(*point) for point in axes]

    @property
    def distinct(self) -> int:
        """Points that can differ in area."""
        return len(self.heads) * len(self.layers) * len(self.ratios[0])

    @property
    def ratios(self) -> tuple[list[float], list[int]]:
        """The distinct alpha / m, and which of them each (alpha, m) is, m running fastest."""
        values = [round(alpha / m, 12) for alpha, m in product(self.alphas, self.ms)]
        distinct = sorted(set(values))
        return distinct, [distinct.index(value) for value in values]


GUIDE = Grid()


def grid_aucs(items: Items, grid: Grid = GUIDE, training: Items | None = None) -> Floats:
    """The area over the responses of `items` of every point, in the order of `Grid.points`.

    Heads and layers are ranked, and sums scaled, on `training`; on `items` themselves where that is not
    given. Raises ValueError for more heads or layers than there are.
    """
    base = training or items
    order = rank(base)
    external = _scaled_sums(items.external, base.external, order.heads, grid.heads)
    parametric = _scaled_sums(items.parametric, base.parametric, order.layers, grid.layers)
    # the mean over units is linear: it is taken once for each sum, not once for each point
    outside, inside = items.of_responses(external), items.of_responses(parametric)
    ratios, which = grid.ratios
    # [heads, layers, ratios, responses]
    scores = inside[None, :, None, :] - np.array(ratios)[None, None, :, None] * outside[:, None, None, :]
    return np.ravel(aucs(scores, items.labels)[:, :, which])


def naive_grid_aucs(items: Items, grid: Grid = GUIDE) -> list[float]:
    """The same by the guide's four loops over an evaluation of one unit after the other.

    Ranked once, as the published code does: a slower loop would only flatter the comparison.
    """
    order = rank(items)
    external, parametric = items.external.tolist(), items.parametric.tolist()
    heads, layers = order.heads.tolist(), order.layers.tolist()
    owner, labels = items.owner.tolist(), items.labels.tolist()
    found = []
    for point in grid.points:
        outside = _scaled_list([sum(row[head] for head in heads[: point.heads]) for row in external])
        inside = _scaled_list([sum(row[layer] for layer in layers[: point.layers]) for row in parametric])
        by_response: dict[int, list[float]] = {}
        for response, e, p in zip(owner, outside, inside, strict=True):
            by_response.setdefault(response, []).append(point.m * p - point.alpha * e)
        scores = [sum(by_response[each]) / len(by_response[each]) for each in range(len(labels))]
        found.append(_area(scores, labels))
    return found


def _scaled_list(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]


def best_point(areas: Floats | Sequence[float]) -> int:
    """The number of the largest area, the first of equals."""
    values = np.asarray(areas, dtype=float)
    return int(np.flatnonzero(values >= np.nanmax(values) - SAME_AUC)[0])


def _scaled_sums(scores: Floats, base: Floats, order: Indices, counts: Sequence[int]) -> Floats:
    """Sums over the first n ranked columns, for each n, scaled by the extremes of `base`'s.

    Shape [counts, units].
    """
    if max(counts) > scores.shape[1]:
        raise ValueError(f"the grid asks for {max(counts)} columns, {scores.shape[1]} are there")
    table, of_base = (np.cumsum(each[:, order], axis=1).T[np.array(counts) - 1] for each in (scores, base))
    low, high = of_base.min(axis=1, keepdims=True), of_base.max(axis=1, keepdims=True)
    found: Floats = np.divide(table - low, high - low, out=np.zeros_like(table), where=high > low)
    return found


def _area(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Share of pairs in the right order, by sorting; equal scores count half."""
    ordered = sorted(zip(scores, labels, strict=True))
    positives = sum(labels)
    negatives = len(labels) - positives
    below = right = 0.0
    at = 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        tied = sum(label for _, label in ordered[at:end])
        right += tied * (below + (end - at - tied) / 2)
        below += end - at - tied
        at = end
    return right / (positives * negatives) if positives and negatives else float("nan")
