"""Modelled rates of a scoring pass of Llama-2-7B on a row's cards: what the benchmarks give `ab.modelled`.

A rate is of the middle (geometric mean) of `costs.seconds`' interval, which is the same for both arms of a
pair. Where a batch does not fit: HarnessError with exit code 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.costmodel import operators as ops
from harness.costmodel.load import prefill_load
from harness.costmodel.operators import Operator
from harness.costmodel.serving import documented, step_time_of
from harness.costmodel.steptime import EAGER_ENGINE, operator_seconds
from harness.detection.capture.batches import Plan
from harness.detection.costs.memory import fits, memory, there
from harness.detection.costs.seconds import BLOCK_LOGIT_BYTES, seconds
from harness.detection.costs.structures import OURS, Batch, Setting, equal_samples, setting
from harness.detection.sample import Sample
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row

MEDIAN_TOKENS = 867
"""RAGTruth's test set with Llama-2's tokenizer."""
MEDIAN = (equal_samples(MEDIAN_TOKENS),)
FUSED_LOGIT_BYTES = 16
"""Per pair of logits in float32: written by the product and read by one kernel that does all the rest."""


def batches_of(plan: Plan, samples: Sequence[Sample]) -> tuple[Batch, ...]:
    """A plan's batches by their samples' lengths."""
    sizes = [(sample.prefix, sample.response) for sample in samples]
    return tuple(Batch(tuple(sizes[number] for number in batch)) for batch in plan.batches)


def rate(at: Setting, batches: Sequence[Batch], *, cards: int = 1) -> dict[str, float]:
    """Samples per second of one pass for each batch; `cards` of them at work side by side."""
    require_memory(at, batches)
    spent = [seconds(at, batch) for batch in batches]
    total_s = sum(math.sqrt(each.least * each.most) for each in spent)
    return {"samples_per_s": cards * sum(len(batch.samples) for batch in batches) / total_s}


def engine_rate(row: Row, weights: str, engine: str) -> dict[str, float]:
    """Samples per second, one of `MEDIAN_TOKENS` tokens at a time, by how kernels are made and started.

    EAGER_ENGINE: torch's own kernels, launched one by one. Others fuse: norms and activations pass memory
    once, and the lens reads its logits once. Forward pass and lens alone, no selection of positions.
    """
    batch, at = equal_samples(MEDIAN_TOKENS), setting(row, weights, OURS)
    require_memory(at, [batch])
    serving = replace(documented(at.shape, weights, row), engine=engine, tensor_parallel=1)
    step = step_time_of(serving)
    pairs = batch.responses * at.shape.layers
    logit_bytes = BLOCK_LOGIT_BYTES if engine == EAGER_ENGINE else FUSED_LOGIT_BYTES
    moved = float(pairs * at.shape.vocabulary * logit_bytes)
    head = ops.head_matmul(at.shape, 1)
    device = step.deployment.device
    product = ops.matmul_operator(
        head, 2 * batch.responses, step.deployment.precision, device.multiprocessors, 0.0
    )
    lens_s = at.shape.layers * operator_seconds(product, step.rates)
    lens_s += operator_seconds(Operator("divergence", "elementwise", 1, 0.0, 0.0, moved), step.rates)
    return {"samples_per_s": 1.0 / (step.seconds(prefill_load(MEDIAN_TOKENS)) + lens_s)}


def require_memory(at: Setting, batches: Sequence[Batch]) -> None:
    """HarnessError, exit code 3, where a batch does not fit."""
    large = next((batch for batch in batches if not fits(at, batch)), None)
    if large is not None:
        needed, here = memory(at, large).total / 2**30, there(at) / 2**30
        raise HarnessError(
            f"{len(large.samples)} samples of up to {large.longest:,} tokens need {needed:.1f} GiB, "
            f"{at.row.name} has {here:.1f}",
            where=at.row.name,
            exit_code=EXIT_INFEASIBLE,
        )
