"""Gradient checkpointing switched on for a pass without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.detection.sample import Sample


def loaded(model: str, *, checkpointing: bool) -> Any:
    """The model in evaluation mode, as the guide's code leaves it, with checkpointing or without."""
    from harness.detection.capture.loading import load

    found = load(model)
    if checkpointing:
        found.gradient_checkpointing_enable()
    return found.eval()


def last_logits(model: Any, samples: Sequence[Sample]) -> list[float]:
    """One pass over each sample; the largest logit of its last position."""
    import torch

    found = []
    with torch.inference_mode():
        for sample in samples:
            logits = model(torch.tensor([sample.tokens]), use_cache=False).logits
            found.append(float(logits[0, -1].max()))
    return found


def furthest(first: Sequence[float], second: Sequence[float]) -> float:
    """The largest difference."""
    return max(abs(a - b) for a, b in zip(first, second, strict=True))
