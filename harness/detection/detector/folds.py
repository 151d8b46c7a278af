"""Nested, source-grouped cross-validation: what is chosen is never chosen on what it is judged by."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.detection.detector.combine import Detector, fit, predict
from harness.detection.detector.grid import GUIDE, Grid, best_point, grid_aucs
from harness.detection.detector.items import Flags, Indices, Items
from harness.measure.stats import Floats

FOLDS = 5
Fit = Callable[[Items], Detector]


@dataclass(frozen=True)
class HeldOut:
    """Each response's score by a detector that was fitted without its source, and what was called.

    `scores` are each fold's own, turned into the share of its training responses that score lower, so that
    folds can be pooled. `called` is by each fold's own threshold. `detectors` are the folds' own.
    """

    scores: Floats
    called: Flags
    fold: Indices
    detectors: tuple[Detector, ...]


def grouped_folds(groups: Sequence[str], labels: Sequence[bool], folds: int, seed: int) -> Indices:
    """The fold of each item: whole groups, dealt out so that positives are shared evenly.

    Groups go, the ones with most positives first, to the fold that has fewest positives, then fewest items;
    those without a positive to the one that has fewest negatives. Raises ValueError for fewer groups than
    folds, and for fewer than two folds.
    """
    if folds < 2:
        raise ValueError("at least 2 folds: one is judged, the others are fitted on")
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(str(group), []).append(number)
    if len(members) < folds:
        raise ValueError(f"{folds} folds need as many sources, {len(members)} are there")
    names = sorted(members)
    random.Random(f"folds {seed}").shuffle(names)
    names.sort(key=lambda name: -sum(bool(labels[number]) for number in members[name]))
    positives, sizes = [0] * folds, [0] * folds
    assigned = np.zeros(len(groups), dtype=np.int64)
    for name in names:
        of_group = sum(bool(labels[number]) for number in members[name])
        # by positives alone, a fold with one more of them would get no negative at all
        own = positives if of_group else [size - count for size, count in zip(sizes, positives, strict=True)]
        fold = min((own[each], sizes[each], each) for each in range(folds))[2]
        assigned[members[name]] = fold
        positives[fold] += of_group
        sizes[fold] += len(members[name])
    return assigned


def cross_validate(items: Items, fitted: Fit, *, folds: int = FOLDS, seed: int = 0) -> HeldOut:
    """Fit on all folds but one, score that one; for every fold."""
    fold = grouped_folds(items.groups.tolist(), items.labels.tolist(), folds, seed)
    scores, called = np.zeros(len(items.labels)), np.zeros(len(items.labels), dtype=bool)
    detectors = []
    for number in range(folds):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        training = items.only(inside)
        detector = fitted(training)
        detectors.append(detector)
        raw = predict(detector, items.only(outside))
        reference = np.sort(predict(detector, training))
        low, high = (np.searchsorted(reference, raw, side=side) for side in ("left", "right"))
        scores[outside] = (low + high) / 2.0 / len(reference)
        called[outside] = raw >= detector.threshold
    return HeldOut(scores, called, fold, tuple(detectors))


def grid_fit(items: Items, grid: Grid = GUIDE, *, folds: int = FOLDS, seed: int = 0) -> Detector:
    """The grid's best point by cross-validation inside `items`, then fitted on all of them.

    With fewer sources than `folds`, as many folds as sources. Folds without both classes tell nothing and are
    left out; raises ValueError where none is left.
    """
    folds = min(folds, len(set(items.groups.tolist())))
    reachable = Grid(
        tuple(each for each in grid.heads if each <= items.external.shape[1]),
        tuple(each for each in grid.layers if each <= items.parametric.shape[1]),
        grid.alphas,
        grid.ms,
    )
    fold = grouped_folds(items.groups.tolist(), items.labels.tolist(), folds, seed)
    areas = [
        grid_aucs(items.only(outside), reachable, training=items.only(np.flatnonzero(fold != each)))
        for each in range(folds)
        if len(set(items.labels[outside := np.flatnonzero(fold == each)].tolist())) == 2
    ]
    if not areas:
        raise ValueError("no fold of the training responses has both classes: the grid has nothing to go by")
    return fit(items, reachable.points[best_point(np.mean(np.array(areas), axis=0))])
