"""The guide's cache of attention, one entry for each layer and head, and a cache of what is used of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.sample import Sample, Scores

Feature = Callable[[Sample], Scores]


def all_features(model: Any) -> Feature:
    """Scores of all heads and layers of one sample, computed anew."""
    layers = range(len(anatomy_of(model).layers))
    heads = [(layer, head) for layer in layers for head in range(anatomy_of(model).heads)]
    return lambda sample: score(model, [sample], heads, layers)[0]


def cached(features: Feature, kept: dict[str, Scores]) -> Feature:
    """The same, looked up by the tokens' SHA-256 where they were scored before: some floats a text."""

    def looked_up(sample: Sample) -> Scores:
        key = hashlib.sha256(np.array([sample.prefix, *sample.tokens], dtype=np.int64).tobytes()).hexdigest()
        if key not in kept:
            kept[key] = features(sample)
        return kept[key]

    return looked_up


def with_repeats(samples: Sequence[Sample], share: float) -> list[Sample]:
    """As many samples, of which this share come a second time instead of a new one."""
    again = round(share * len(samples))
    return [*samples[: len(samples) - again], *samples[:again]]


def furthest_scores(first: Sequence[Scores], second: Sequence[Scores]) -> float:
    """The largest difference of any score."""
    return max(
        max(float(np.abs(a.external - b.external).max()), float(np.abs(a.parametric - b.parametric).max()))
        for a, b in zip(first, second, strict=True)
    )
