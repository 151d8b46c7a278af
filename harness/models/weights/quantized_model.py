"""A checkpoint with its matrices rounded to a weight format: the values change, the computation does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines.transformers_loading import load_model
from harness.errors import HarnessError
from harness.models.architecture import LINEAR, tensor_shapes
from harness.models.checkpoint import (
    CONFIG,
    TEMPLATE,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
    SavedModel,
    read_checkpoint,
    write_bytes,
)
from harness.models.weights.formats import FORMATS, Packed, pack, unpack
from harness.models.weights.gptq import quantize_layers

GPTQ = {"gptq4": 4, "gptq3": 3}
MODEL_FORMATS = (*FORMATS, *GPTQ)
_BF16_BYTES = 2


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A transformers model in float32 whose layers' matrices hold the dequantized weights.

    `matrix_bytes` is what those matrices take packed, `other_bytes` what embeddings, norms and biases take
    in bf16; `bits_per_weight` is over the matrices alone.
    """

    model: Any
    format: str
    matrix_bytes: int
    other_bytes: int
    bits_per_weight: float


def quantized_model(folder: Path, to: str, calibration: Sequence[Sequence[int]] = ()) -> QuantizedModel:
    """Load a checkpoint and round its layers' matrices; embeddings and norms stay as they are.

    `calibration` are token ids, a row per text, which GPTQ needs. Raises HarnessError for an unknown format,
    dimensions that it cannot hold, or a checkpoint that cannot be read.
    """
    if to not in MODEL_FORMATS:
        raise HarnessError(f"{to!r} is no weight format", allowed=", ".join(MODEL_FORMATS))
    saved = read_checkpoint(folder)
    model = load_model(folder, "cpu", "float32", "none", "sdpa")
    packed = quantize_layers(model, calibration, GPTQ[to]) if to in GPTQ else _round(model, to)
    matrix_bytes = sum(matrix.size_bytes for matrix in packed.values())
    weights = sum(matrix.rows * matrix.columns for matrix in packed.values())
    return QuantizedModel(
        model, to, matrix_bytes, _other_bytes(saved, set(packed)), 8 * matrix_bytes / weights
    )


def save_rounded(
    folder: Path, to: str, out: Path, calibration: Sequence[Sequence[int]] = ()
) -> QuantizedModel:
    """Write `quantized_model`'s values as a float32 checkpoint folder, which every engine can load.

    Its files are as large as float32 is: `matrix_bytes` says what the format takes. Raises as
    `quantized_model` does, and HarnessError when `out` exists.
    """
    from safetensors.torch import save

    if out.exists():
        raise HarnessError("it exists already", where=str(out), next_step="remove it or give another name")
    made = quantized_model(folder, to, calibration)
    saved = read_checkpoint(folder)
    state = made.model.state_dict()
    tensors = {name: state[name].contiguous() for name in tensor_shapes(saved.shape)}
    out.mkdir(parents=True)
    for name in (TOKENIZER, TOKENIZER_CONFIG, TEMPLATE):
        if (folder / name).is_file():
            write_bytes(out / name, (folder / name).read_bytes())
    config = {**saved.config, "dtype": "float32"}
    write_bytes(out / CONFIG, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())
    write_bytes(out / WEIGHTS, save(tensors, metadata={"format": "pt"}))
    return made


def _round(model: Any, to: str) -> dict[str, Packed]:
    import torch

    packed = {}
    with torch.no_grad():
        for index, layer in enumerate(model.model.layers):
            for name in LINEAR:
                weight = layer.get_submodule(name).weight
                stored = pack(weight, to)
                weight.copy_(unpack(stored))
                packed[f"model.layers.{index}.{name}.weight"] = stored
    return packed


def _other_bytes(saved: SavedModel, packed: set[str]) -> int:
    total = 0
    for name, dimensions in tensor_shapes(saved.shape).items():
        if name not in packed:
            size = _BF16_BYTES
            for dimension in dimensions:
                size *= dimension
            total += size
    return total
