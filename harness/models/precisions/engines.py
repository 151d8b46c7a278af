"""Opens one precision of a checkpoint: quantized where it has to be, and running in its engine."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.models.architecture import tensor_shapes
from harness.models.checkpoint import read_checkpoint
from harness.models.example import END
from harness.models.heldout.prompts import heldout
from harness.models.packages import package
from harness.models.precisions.evaluate import Opened, Opener, Precision

# Requests that run together.
PARALLEL = 16
REFERENCE = "bf16"
CALIBRATION_PROMPTS = 64
# torch computes in float32 with the rounded values: a row shows the format's loss, not its kernels' speed.
PRECISIONS = (
    Precision(REFERENCE, "transformers", timed=False),
    *(Precision(name, "llama.cpp") for name in ("BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M")),
    *(Precision(name, "llama.cpp") for name in ("Q2_K", "TQ2_0")),
    *(Precision(name, "transformers", timed=False) for name in ("fp8", "int8", "nf4", "gptq4", "gptq3")),
    Precision("rtn2", "transformers", timed=False),
)


def opener(task: str) -> Opener:
    """How to open the precisions of a checkpoint for a task, whose training prompts GPTQ calibrates on.

    The opener raises HarnessError for an unknown precision or a missing package, EngineFailure when
    quantizing failed.
    """
    return functools.partial(_open, task)


@contextmanager
def _open(task: str, checkpoint: Path, precision: Precision) -> Iterator[Opened]:
    parameters = sum(map(math.prod, tensor_shapes(read_checkpoint(checkpoint).shape).values()))
    if precision.engine == "llama.cpp":
        opening = _llama_cpp(checkpoint, precision.name, parameters)
    elif precision.name == REFERENCE:
        opening = _transformers(checkpoint, 2 * parameters, parameters)
    else:
        opening = _rounded(checkpoint, precision.name, task, parameters)
    with opening as opened:
        yield opened


@contextmanager
def _llama_cpp(checkpoint: Path, name: str, parameters: int) -> Iterator[Opened]:
    gguf = package("gguf")

    from harness.engines.llama_cpp import LlamaCppEngine
    from harness.models.gguf.quantize import quantize

    path = quantize(checkpoint, name)
    size = sum(int(tensor.n_bytes) for tensor in gguf.GGUFReader(path).tensors)
    with LlamaCppEngine(path, parallel=PARALLEL) as engine:
        yield Opened(engine, size, 8 * size / parameters)


@contextmanager
def _rounded(checkpoint: Path, name: str, task: str, parameters: int) -> Iterator[Opened]:
    from harness.models.weights.quantized_model import GPTQ, save_rounded

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        made = save_rounded(checkpoint, name, folder, _calibration(checkpoint, task) if name in GPTQ else ())
        size = made.matrix_bytes + made.other_bytes
        del made
        with _transformers(folder, size, parameters) as opened:
            yield opened


def _calibration(checkpoint: Path, task: str) -> list[list[int]]:
    """Token ids of training prompts with their answers; no held-out prompt is among them."""
    from harness.engines.transformers_loading import load_tokenizer

    tokenizer = load_tokenizer(checkpoint)
    texts = [prompt.prompt + prompt.answer + END for prompt in heldout(task, "train", CALIBRATION_PROMPTS, 0)]
    return [tokenizer.encode(text, add_special_tokens=False) for text in texts]


@contextmanager
def _transformers(folder: Path, size: int, parameters: int) -> Iterator[Opened]:
    from harness.engines.transformers import TransformersSettings, load
    from harness.engines.transformers_slots import Slots

    settings = TransformersSettings(folder, Slots(parallel=PARALLEL), precision="float32")
    with closing(load(settings)) as engine:
        yield Opened(engine, size, 8 * size / parameters)
