"""How many CPU threads an engine takes where nobody says."""

from __future__ import annotations

import os
from pathlib import Path

SMALL_BYTES = 64 * 2**20
"""Below this, an operator ends sooner than two threads agree that it has.

Measured on two cores with weights of 6 MB, one thread against two: llama.cpp 4,033 against 1,326 tokens/s for
one request and 8,496 against 3,060 for sixteen; transformers 613 against 239 and 4,785 against 2,492. Where
between there and a gigabyte the second thread begins to pay was not measured.
"""
_WEIGHTS = (".safetensors", ".gguf", ".bin")


def is_small(model: Path) -> bool:
    """Whether the weights, a file or the files of a folder, are there and below `SMALL_BYTES`."""
    files = [model] if model.is_file() else [path for path in model.glob("*") if path.suffix in _WEIGHTS]
    return bool(files) and sum(path.stat().st_size for path in files) < SMALL_BYTES


def default_threads(model: Path) -> int:
    """One for a small model, else one per core."""
    return 1 if is_small(model) else os.cpu_count() or 1
