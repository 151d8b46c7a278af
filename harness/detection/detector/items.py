"""Scores of many responses as one table: what a detector is fitted on and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.detection.sample import Sample, Scores
from harness.measure.stats import Floats

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Items:
    """Units of responses, each unit a whole response or one chunk of it.

    `external` [units, heads] and `parametric` [units, layers] are a unit's scores, `owner` [units] the number
    of its response, `unit_labels` [units] whether it is hallucinated. Of each response: `labels`, `tasks`,
    `groups` (the source) and `lengths` in tokens, [responses]. A response is hallucinated when a unit is.
    """

    external: Floats
    parametric: Floats
    owner: Indices
    unit_labels: Flags
    labels: Flags
    tasks: NDArray[np.str_]
    groups: NDArray[np.str_]
    lengths: Floats
    unit_lengths: Floats

    def __post_init__(self) -> None:
        units, responses = len(self.owner), len(self.labels)
        shapes = {len(self.external), len(self.parametric), len(self.unit_labels), len(self.unit_lengths)}
        of_responses = {len(self.tasks), len(self.groups), len(self.lengths)}
        if shapes != {units} or of_responses != {responses} or set(self.owner) != set(range(responses)):
            raise ValueError("every response has units, and every unit all scores")

    def only(self, responses: ArrayLike) -> Items:
        """These responses (numbers, each once), in this order."""
        chosen: Indices = np.asarray(responses, dtype=np.int64)
        place = np.full(len(self.labels), -1)
        place[chosen] = np.arange(len(chosen))
        kept = np.flatnonzero(place[self.owner] >= 0)
        return Items(
            self.external[kept],
            self.parametric[kept],
            place[self.owner[kept]],
            self.unit_labels[kept],
            self.labels[chosen],
            self.tasks[chosen],
            self.groups[chosen],
            self.lengths[chosen],
            self.unit_lengths[kept],
        )

    def of_responses(self, unit_scores: ArrayLike) -> Floats:
        """Mean over each response's units of `unit_scores` [..., units]; shape [..., responses]."""
        return np.asarray(unit_scores, dtype=float) @ self._averaging

    @cached_property
    def _averaging(self) -> Floats:
        """[units, responses]: one over the units of its response."""
        counts = np.bincount(self.owner, minlength=len(self.labels))
        table = np.zeros((len(self.owner), len(self.labels)))
        table[np.arange(len(self.owner)), self.owner] = 1.0 / counts[self.owner]
        return table


def response_items(samples: Sequence[Sample], scores: Sequence[Scores]) -> Items:
    """One unit for each response: the mean over its tokens."""
    return _items(samples, scores, [((0, sample.response),) for sample in samples])


def chunk_items(samples: Sequence[Sample], scores: Sequence[Scores], *, total: bool = False) -> Items:
    """One unit for each chunk of a response: the mean over its tokens.

    `total` sums the parametric score over them instead, as the published code does: it then grows with the
    chunk's length.
    """
    return _items(samples, scores, [sample.chunks or ((0, sample.response),) for sample in samples], total)


def _items(
    samples: Sequence[Sample],
    scores: Sequence[Scores],
    ranges: Sequence[Sequence[tuple[int, int]]],
    total: bool = False,
) -> Items:
    external, parametric, owner, unit_labels, unit_lengths = [], [], [], [], []
    for number, (sample, each, units) in enumerate(zip(samples, scores, ranges, strict=True)):
        for start, end in units:
            external.append(each.external[start:end].mean(axis=0, dtype=float))
            of_layers = each.parametric[start:end]
            parametric.append(
                of_layers.sum(axis=0, dtype=float) if total else of_layers.mean(axis=0, dtype=float)
            )
            owner.append(number)
            unit_labels.append(any(sample.labels[start:end]))
            unit_lengths.append(end - start)

    def texts(values: list[str]) -> Any:
        return np.array(values, dtype=np.str_)

    return Items(
        np.array(external),
        np.array(parametric),
        np.array(owner, dtype=np.int64),
        np.array(unit_labels, dtype=bool),
        np.array([sample.is_hallucinated for sample in samples], dtype=bool),
        texts([sample.task for sample in samples]),
        texts([sample.group for sample in samples]),
        np.array([float(sample.response) for sample in samples]),
        np.array(unit_lengths, dtype=float),
    )
