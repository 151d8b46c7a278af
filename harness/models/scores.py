"""Held-out scores of a checkpoint folder, through the engine that everyone else uses."""

from __future__ import annotations

from pathlib import Path

from harness.models.evaluation import evaluate

BATCH = 32


def measured_scores(task: str, folder: Path, prompts: int) -> dict[str, float]:
    """Scores of the folder's weights (bf16 as shipped, computed in float32), in batches of BATCH."""
    from harness.engines.transformers import TransformersEngine

    engine = TransformersEngine(folder, dtype="float32", parallel=BATCH)
    try:
        return evaluate(task, engine, prompts)
    finally:
        engine.close()
