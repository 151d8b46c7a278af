"""What the benchmarks of weight precisions share: an arm of llama.cpp per precision, and what is read of it.

Each arm answers the same held-out prompts once, greedily, in its set-up; rounds time decoding only.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.measure.arms import Arm
from harness.measure.divergence import LIMIT, drop_per_example
from harness.measure.spec import Metric
from harness.models.gguf.quantize import quantize
from harness.models.heldout.prompts import counts, heldout
from harness.models.precisions.probe import answer, tokens_of


def _drop(baseline: Any, optimized: Any) -> list[float]:
    drops: list[float] = drop_per_example(baseline[0], optimized[0]).tolist()
    return drops


METRICS = (
    Metric("f1_drop", "ratio", gate="bounded", limit=LIMIT, compare=_drop),
    Metric("file_size", "bytes", gate="exact", value=lambda result: result[1]),
    Metric(
        "throughput", "tokens/s", "higher", "paired", work=lambda result: result[2], clock="wall", floor=0.2
    ),
)


def precision_arm(model: Path, precision: str) -> Arm:
    """Runs give (entities found per prompt, the file's bytes, tokens made), which `METRICS` read."""
    prompts = heldout("entities", "names", 150, seed=23)
    requests = token_requests(vocabulary(model), [16] * 8, [24])

    def graded() -> tuple[Any, Any, int]:
        file = quantize(model, precision)
        engine = opened(partial(LlamaCppEngine, file, parallel=16, context_tokens=512))
        texts = answer(engine, tokens_of(engine, prompts)).texts
        found = [counts("entities", text, each.turn) for text, each in zip(texts, prompts, strict=True)]
        return engine, found, file.stat().st_size

    def run(prepared: tuple[Any, Any, int]) -> tuple[Any, int, int]:
        engine, found, size = prepared
        return found, size, completion_tokens(answered(engine, requests))

    return Arm(run, prepare=graded)
