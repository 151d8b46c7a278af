"""Where values stand in the text, how long their evidence is, how many fields have one: for generated
companies beside labelled ones (CUAD)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.extraction.truth import DEAL, Truth

POSITION_BINS = 10
LENGTH_EDGES = (0, 40, 80, 160, 320, 640, 1280)
"""Characters; the last bin has no upper edge."""
PRESENCE_BINS = 10


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of bins; `labels` name them."""

    name: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """The counts relative to their sum, zeros where that is 0."""
        total = sum(self.counts)
        return tuple(count / total if total else 0.0 for count in self.counts)


def positions(truths: Sequence[Truth]) -> Histogram:
    """Where the first passage of each value's first alternative begins, as a share of the text."""
    counts = [0] * POSITION_BINS
    for truth in truths:
        for value in truth.values.values():
            if value.spans:
                share = min(value.spans[0]).start / max(1, len(truth.company.text))
                counts[min(POSITION_BINS - 1, int(share * POSITION_BINS))] += 1
    return Histogram("position", _tenths(POSITION_BINS), tuple(counts))


def lengths(truths: Sequence[Truth]) -> Histogram:
    """Characters of the first alternative of each value."""
    counts = [0] * len(LENGTH_EDGES)
    for truth in truths:
        for value in truth.values.values():
            if value.spans:
                size = sum(span.end - span.start for span in value.spans[0])
                counts[max(n for n, edge in enumerate(LENGTH_EDGES) if size >= edge)] += 1
    labels = (*(f"{low}-{high}" for low, high in pairwise(LENGTH_EDGES)), f"{LENGTH_EDGES[-1]}+")
    return Histogram("length", labels, tuple(counts))


def presence(truths: Sequence[Truth], fields: Sequence[str]) -> Histogram:
    """In what share of the companies, or of their facilities, each field has a value: how many fields are in
    each tenth."""
    counts = [0] * PRESENCE_BINS
    for key in fields:
        owners = list(_owners(truths, key))
        share = sum(owners) / max(1, len(owners))
        counts[min(PRESENCE_BINS - 1, int(share * PRESENCE_BINS))] += 1
    return Histogram("presence", _tenths(PRESENCE_BINS), tuple(counts))


def _owners(truths: Sequence[Truth], key: str) -> Iterator[bool]:
    """For each company, or each facility of it, whether the field has a value."""
    of_deal = any((DEAL, key) in truth.values for truth in truths)
    for truth in truths:
        names = [DEAL] if of_deal or not truth.facilities else [each.name for each in truth.facilities]
        for name in names:
            yield (name, key) in truth.values


def _tenths(bins: int) -> tuple[str, ...]:
    return tuple(f"{100 * n // bins}-{100 * (n + 1) // bins} %" for n in range(bins))
