"""Items with a planted signal, and without."""

import numpy as np

from harness.detection.detector.items import Items


def items(
    responses=60, units=3, heads=8, layers=6, effect=0.8, seed=0, tasks=("qa", "summary"), task_effect=0.0
):
    """`effect` standard deviations lie between hallucinated units and the others; `task_effect` raises the
    share of hallucinated responses of the first task, and moves all its scores."""
    r = np.random.default_rng(seed)
    owner = np.repeat(np.arange(responses), units)
    task = r.integers(len(tasks), size=responses)
    labels = r.random(responses) < np.where(task == 0, 0.5 + task_effect / 2, 0.5 - task_effect / 2)
    unit_labels = labels[owner] & (r.random(len(owner)) < 0.5)
    first = np.arange(0, len(owner), units)
    unit_labels[first] = labels
    shift = effect * unit_labels[:, None] + 3.0 * task_effect * (task[owner] == 0)[:, None]
    return Items(
        external=r.normal(size=(len(owner), heads)) - shift,
        parametric=r.normal(size=(len(owner), layers)) + shift,
        owner=owner,
        unit_labels=unit_labels,
        labels=labels,
        tasks=np.array(tasks)[task],
        groups=np.array([f"source {number // 2}" for number in range(responses)]),
        lengths=r.integers(20, 90, size=responses).astype(float),
        unit_lengths=r.integers(5, 30, size=len(owner)).astype(float),
    )
