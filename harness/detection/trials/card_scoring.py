"""A model on its cards that scores random tokens of given lengths; how far two scorings are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.capture.workload import of_lengths
from harness.detection.costs.structures import Batch
from harness.detection.sample import Sample, Scores
from harness.detection.trials.passes import Ready


@dataclass(frozen=True, slots=True)
class OnCards:
    """Scores of a workload, and the bytes of weights that the arm is about."""

    scores: list[Scores]
    memory: int


class Scoring(Protocol):
    """What an arm returns that scored a workload."""

    @property
    def scores(self) -> list[Scores]:
        """In the order of the samples."""
        ...


def one_head_each(model: Any) -> Ready:
    """The model with one head of each layer, as many as the paper lists for Llama-2-7B, and all layers."""
    layers = tuple(range(len(anatomy_of(model).layers)))
    return Ready(model, tuple((layer, 0) for layer in layers), layers)


def scores_of(ready: Ready, batch: Batch) -> list[Scores]:
    """Scores of random tokens of the batch's lengths."""
    return ready.run(score, samples_of(batch, anatomy_of(ready.model).vocabulary))


def samples_of(batch: Batch, vocabulary: int) -> list[Sample]:
    """Random tokens of the batch's lengths; the same in every call."""
    return [
        sample
        for number, (prompt, response) in enumerate(batch.samples)
        for sample in of_lengths(number, prompt, response, 1, vocabulary)
    ]


def sixty_times(run: Scoring) -> float:
    """Samples of a run, for a rate by the minute."""
    return 60.0 * len(run.scores)


def mean_differences(before: Scoring, after: Scoring) -> list[float]:
    """For each sample how far apart its scores are, mean over tokens, heads and layers."""
    return [
        float(np.abs(np.hstack([a.external - b.external, a.parametric - b.parametric])).mean())
        for a, b in zip(before.scores, after.scores, strict=True)
    ]
