"""Held-out scores of a checkpoint folder, through the engine that everyone else uses."""

from __future__ import annotations

from pathlib import Path

from harness.models.heldout.evaluation import evaluate

BATCH = 32


def measured_scores(task: str, folder: Path, prompts: int) -> dict[str, float]:
    """Scores of the folder's weights as shipped, computed in float32, BATCH requests at a time."""
    from harness.engines.transformers import TransformersSettings, load
    from harness.engines.transformers_padded import Padded

    batching = Padded(BATCH, by_length=True)
    engine = load(TransformersSettings(folder, batching, precision="float32"))
    try:
        return evaluate(task, engine, prompts)
    finally:
        engine.close()
