"""Opens one precision of a checkpoint: quantized where it has to be, and running in its engine."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.models.architecture import tensor_shapes
from harness.models.checkpoint import read_checkpoint
from harness.models.precisions import Opened, Precision

# Requests that run together.
PARALLEL = 16
REFERENCE = "bf16"
# As torch holds them, computed in float32: what the format loses, not what its kernels do.
BITSANDBYTES = ("int8", "nf4")


@contextmanager
def open_precision(checkpoint: Path, precision: Precision) -> Iterator[Opened]:
    """The precision's engine while the context lasts.

    Raises HarnessError for an unknown precision or a missing package, EngineFailure when quantizing failed.
    """
    parameters = sum(map(math.prod, tensor_shapes(read_checkpoint(checkpoint).shape).values()))
    opening = _llama_cpp if precision.engine == "llama.cpp" else _transformers
    with opening(checkpoint, precision.name, parameters) as opened:
        yield opened


@contextmanager
def _llama_cpp(checkpoint: Path, name: str, parameters: int) -> Iterator[Opened]:
    from harness.engines.llama_cpp import LlamaCppEngine
    from harness.models.quantize import quantize

    path = quantize(checkpoint, name)
    size = _gguf_weights_bytes(path)
    with LlamaCppEngine(path, parallel=PARALLEL) as engine:
        yield Opened(engine, size, 8 * size / parameters)


def _gguf_weights_bytes(path: Path) -> int:
    import gguf

    return sum(int(tensor.n_bytes) for tensor in gguf.GGUFReader(path).tensors)
