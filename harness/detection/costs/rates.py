"""Samples per minute of a setting over a workload, and what a length limit does to the workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.detection.capture.workload import ragtruth_like
from harness.detection.costs.memory import fits
from harness.detection.costs.seconds import Between, seconds
from harness.detection.costs.structures import Batch, Setting, halves

TEST_RESPONSES = 450
"""RAGTruth's test set of one model: one response to each source."""
CHARACTERS_PER_TOKEN = 2246 / 683
"""Of its prompts: median characters over median tokens of Llama-2."""


@lru_cache(maxsize=1)
def ragtruth() -> tuple[tuple[int, int], ...]:
    """(prompt, response) tokens of a test set with RAGTruth's lengths."""
    samples = ragtruth_like(1, TEST_RESPONSES, 1000, per_source=1, longest=4096)
    return tuple((sample.prefix, sample.response) for sample in samples)


def cut(samples: Sequence[tuple[int, int]], prompt_tokens: float) -> tuple[tuple[int, int], ...]:
    """The samples with prompts of `prompt_tokens` at most."""
    most = max(1, int(prompt_tokens))
    return tuple((min(prompt, most), response) for prompt, response in samples)


def cut_share(samples: Sequence[tuple[int, int]], prompt_tokens: float) -> float:
    """Share of the samples whose prompt is longer."""
    return sum(prompt > prompt_tokens for prompt, _ in samples) / len(samples)


def in_batches(samples: Sequence[tuple[int, int]], size: int) -> tuple[Batch, ...]:
    """Samples by length, longest first, `size` to a batch."""
    ordered = sorted(samples, key=lambda sample: (-sum(sample), sample))
    return tuple(Batch(tuple(ordered[first : first + size])) for first in range(0, len(ordered), size))


@dataclass(frozen=True, slots=True)
class Rate:
    """Samples per minute of those that fit, 0 where none does, and the share of samples that do not."""

    samples_per_min: Between
    too_large_share: float


def rate(setting: Setting, batches: Sequence[Batch]) -> Rate:
    """One pass after the other; a batch that does not fit into memory is halved, a sample left out."""
    fitting = [part for batch in batches for part in _fitting(setting, batch)]
    every, done = (sum(len(batch.samples) for batch in part) for part in (batches, fitting))
    if not done:
        return Rate(Between(0.0, 0.0), 1.0)
    found = [seconds(setting, batch) for batch in fitting]
    least_s, most_s = sum(it.least for it in found), sum(it.most for it in found)
    return Rate(Between(60.0 * done / most_s, 60.0 * done / least_s), 1.0 - done / every)


def _fitting(setting: Setting, batch: Batch) -> Iterator[Batch]:
    if fits(setting, batch):
        yield batch
    else:
        for half in halves(batch):
            yield from _fitting(setting, half)
