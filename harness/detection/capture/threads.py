"""How many threads a pass takes on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.engines.threads import SMALL_BYTES


@contextmanager
def fitting_threads(model: Any) -> Iterator[None]:
    """Within, torch has one thread where the model is small and on a CPU; otherwise those that it had.

    An operator of a small model ends sooner than two threads agree that it has, and on a busy machine they
    wait for each other. Measured with the embedded model (13 MB) on two cores under a load of 8, one thread
    against two: 0.08 against 0.64 s for one sample, 0.7 against 4.5 s for twelve. How many threads torch has
    is the process's: nothing else should compute meanwhile.
    """
    import torch

    before = torch.get_num_threads()
    weights = list(model.parameters())
    small = sum(weight.numel() * weight.element_size() for weight in weights) < SMALL_BYTES
    if small and all(weight.device.type == "cpu" for weight in weights):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
