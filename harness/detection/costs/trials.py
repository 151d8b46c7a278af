"""The modelled figures of `benchmarks/detection` by metric name, for the guide's settings on a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from harness.costmodel.trials import version
from harness.detection.capture.batches import guide_batch_size
from harness.detection.costs.memory import largest_batch, longest_sample, memory, there
from harness.detection.costs.rates import (
    CHARACTERS_PER_TOKEN,
    cut,
    cut_share,
    in_batches,
    ragtruth,
    rate,
)
from harness.detection.costs.structures import Batch, Setting, Structure, equal_samples, setting
from harness.hardware.matrix import load_matrix
from harness.hardware.rows import Row

__all__ = [
    "Reading",
    "at_batch",
    "documented",
    "figures",
    "guide_batch_size",
    "limits",
    "one_by_one",
    "stage_minutes",
    "tip",
    "tip_batches",
    "version",
]

Figures = Mapping[str, float]
Reading = Literal["characters", "tokens"]

FORMATS = {"4bit": "nf4_double", "8bit": "int8", "none": "fp16"}
"""The guide's words for weights."""
OTHER_LIMIT = 8000
"""Its Technique 6 truncates to so many tokens, its Technique 4 takes so many."""
TEST_CHUNKS = 1159
"""Chunks of the 450 responses: what the guide's regression stage counts as samples."""


def documented(row: Row, structure: Structure) -> Setting:
    """The guide's tip for the row; "balanced" is one stage to a GPU. KeyError where it has none."""
    tips = row.detection
    stages = row.gpus if tips["device_map"] == "balanced" else 1
    return setting(row, FORMATS[tips["quantization"]], structure, stages)


def tip_batches(row: Row, reading: Reading, size: int = 0) -> tuple[Batch, ...]:
    """What is scored under the row's documented length limit, in batches of its documented size (or `size`).

    "characters", as the published code has it: RAGTruth's lengths, prompts cut to so many. "tokens", as the
    guide has it: every sample as long as the limit.
    """
    size = size or row.detection["batch_size"]
    most = row.detection["max_sequence_length_characters"]
    if reading == "tokens":
        return (equal_samples(most, size),)
    return in_batches(cut(ragtruth(), most / CHARACTERS_PER_TOKEN), size)


def tip(row: Row, structure: Structure, reading: Reading, size: int = 0) -> Figures:
    """Rate and memory of the row's documented settings, for `tip_batches`."""
    return figures(documented(row, structure), tip_batches(row, reading, size))


def one_by_one() -> tuple[Batch, ...]:
    """All test responses, each alone."""
    return in_batches(ragtruth(), 1)


def stage_minutes(matrix: Path, column: Literal["current", "target"]) -> Figures:
    """Minutes that the rates of the guide's own table come to, its two stages one after the other: arithmetic
    with quoted figures.

    Detection counts responses. Whether regression counts chunks or responses it does not say.
    """
    table = load_matrix(matrix).rows["t4x2"].detection[column]
    detection = len(ragtruth()) / table["detection_samples_per_min"]
    regression = table["regression_samples_per_min"]
    return {
        "end_to_end_by_chunks": detection + TEST_CHUNKS / regression,
        "end_to_end_by_responses": detection + len(ragtruth()) / regression,
    }


def at_batch(at: Setting, tokens: int, size: int) -> Figures:
    """`size` samples of `tokens` tokens at once, and the most that fit; the model's window is not asked."""
    found = figures(at, (equal_samples(tokens, size),))
    return {**found, "largest_batch": float(largest_batch(at, tokens))}


def limits(at: Setting, reading: Reading) -> Figures:
    """The longest sample that fits into memory, and the share of RAGTruth's samples that is longer than this
    or than the model's window; then what the row's documented limit does to them.
    """
    return {**left_out(at, longest_sample(at)), **read_limit(documented_limit(at.row), reading)}


def left_out(at: Setting, longest: int) -> dict[str, float]:
    """The longest sample, and the share of RAGTruth's that is longer, or longer than the model's window."""
    allowed = min(longest, at.shape.context_tokens)
    share = sum(sum(sample) > allowed for sample in ragtruth()) / len(ragtruth())
    return {"longest_sample": float(longest), "too_large_share": share}


def documented_limit(row: Row) -> int:
    """The guide's limit of length for the row; where it has none, the one of its Technique 6."""
    return int(row.detection.get("max_sequence_length_characters", OTHER_LIMIT))


def read_limit(limit: int, reading: Reading) -> dict[str, float]:
    """The share of RAGTruth's prompts that a limit cuts."""
    tokens = limit / CHARACTERS_PER_TOKEN if reading == "characters" else float(limit)
    return {"cut_share": cut_share(ragtruth(), tokens)}


def figures(at: Setting, batches: Sequence[Batch]) -> dict[str, float]:
    """Samples per minute from least to most, memory of the largest batch, and samples that fit in none."""
    needed = max(memory(at, batch).total for batch in batches)
    found = rate(at, batches)
    return {
        "samples_per_min_least": found.samples_per_min.least,
        "samples_per_min_most": found.samples_per_min.most,
        "memory_gb": needed / 1e9,
        "memory_share": needed / there(at),
        "too_large_share": found.too_large_share,
    }
