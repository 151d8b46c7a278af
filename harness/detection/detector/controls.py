"""What a report has to show beside a detector: how far one comes without any model.

Each control is a score of the same responses, judged as the detector is. A detector that does no better than
the task, or the length, of what it judges has not looked inside a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.detection.detector.auc import (
    Auc,
    auc,
    compare_aucs,
    correlation,
    grouped_auc_interval,
    within_auc,
    within_auc_interval,
)
from harness.detection.detector.curves import Confusion, confusion
from harness.detection.detector.items import Items
from harness.measure.stats import Floats

POOLED_BIAS = "task prior"


@dataclass(frozen=True, slots=True)
class Judged:
    """One scoring of responses. `within` is the area inside tasks, `task_auc` how well it tells the task
    with most hallucinations from the others. Intervals are [low, high]; `grouped` resamples sources."""

    name: str
    auc: Auc
    grouped: tuple[float, float]
    within: float
    within_interval: tuple[float, float]
    task_auc: float
    correlation: float


def judge(name: str, scores: Floats, items: Items, *, seed: int = 0) -> Judged:
    """Everything that is reported of a scoring."""
    return Judged(
        name=name,
        auc=auc(scores, items.labels),
        grouped=grouped_auc_interval(scores, items.labels, items.groups, seed=seed),
        within=within_auc(scores, items.labels, items.tasks),
        within_interval=within_auc_interval(scores, items.labels, items.tasks),
        task_auc=auc(scores, items.tasks == _worst_task(items)).auc,
        correlation=correlation(scores, items.labels),
    )


def control_scores(items: Items) -> Mapping[str, Floats]:
    """Scores that need no model: the task's share of hallucinated responses, the response's length, its mean
    chunk length, and the same for all (which calls everything hallucinated)."""
    prior = np.zeros(len(items.labels))
    for task in np.unique(items.tasks):
        inside = items.tasks == task
        prior[inside] = items.labels[inside].mean()
    return {
        POOLED_BIAS: prior,
        "response length": items.lengths,
        "chunk length": items.of_responses(items.unit_lengths),
        "always hallucinated": np.ones(len(items.labels)),
    }


def control_verdicts(scores: Floats, items: Items) -> Mapping[str, tuple[float, float, float]]:
    """The detector's area less each control's, with its interval: (difference, low, high)."""
    found = {}
    for name, control in control_scores(items).items():
        compared = compare_aucs(control, scores, items.labels)
        found[name] = (compared.difference, compared.low, compared.high)
    return found


def always_positive(items: Items) -> Confusion:
    """Counts of the detector that calls everything hallucinated."""
    return confusion(np.ones(len(items.labels)), items.labels, 0.5)


def length_correlation(items: Items) -> Floats:
    """Correlation of each layer's parametric score with its unit's length, [layers]."""
    return np.array([correlation(column, items.unit_lengths) for column in items.parametric.T])


def _worst_task(items: Items) -> str:
    """The task with the largest share of hallucinated responses, the first by name of equals."""
    tasks = sorted(set(items.tasks.tolist()))
    return str(max(tasks, key=lambda task: float(items.labels[items.tasks == task].mean())))
