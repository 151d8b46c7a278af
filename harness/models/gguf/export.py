"""A checkpoint as GGUF, llama.cpp's file format, written with the `gguf` package.

Names of tensors and keys are those of llama.cpp's own convert_hf_to_gguf.py; the file holds no time, path or
version, so the same checkpoint gives the same bytes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import HarnessError
from harness.models.architecture import Shape
from harness.models.checkpoint import SavedModel, read_tensors
from harness.models.gguf.tokenizer import add_tokenizer
from harness.models.packages import package

if TYPE_CHECKING:
    import numpy as np
    import torch

Float = Literal["f32", "f16", "bf16"]
FLOATS: tuple[Float, ...] = ("f32", "f16", "bf16")
_LARGEST_F16 = 65504.0


def export_gguf(model: SavedModel, out: Path, precision: Float = "f16") -> Path:
    """Write the checkpoint as one GGUF file, whole or not at all; matrices in `precision`, vectors in f32.

    Raises HarnessError for a tokenizer that llama.cpp would read differently, or a weight f16 cannot hold.
    """
    gguf = package("gguf")

    if precision not in FLOATS:
        raise HarnessError(f"{precision!r} is no precision of the export", allowed=", ".join(FLOATS))
    shape = model.shape
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    writer = gguf.GGUFWriter(partial, shape.architecture)
    try:
        _add_shape(writer, shape, precision)
        add_tokenizer(writer, model)
        names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, shape.architecture.upper()), shape.layers)
        for name, tensor in read_tensors(model):
            values, kind = _stored(_llama_order(name, tensor, shape), precision, name)
            writer.add_tensor(names.get_name(name, (".weight", ".bias")), values, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        partial.replace(out)
    finally:
        writer.close()
        partial.unlink(missing_ok=True)
    return out


def _add_shape(writer: Any, shape: Shape, precision: Float) -> None:
    gguf = package("gguf")

    kinds = {
        "f32": gguf.LlamaFileType.ALL_F32,
        "f16": gguf.LlamaFileType.MOSTLY_F16,
        "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    }
    writer.add_type("model")
    writer.add_file_type(kinds[precision])
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocabulary)


def _llama_order(name: str, tensor: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Rows of q and k in llama.cpp's order for Llama: it rotates neighbours, transformers rotates halves."""
    heads = {"q_proj": shape.heads, "k_proj": shape.kv_heads}.get(name.split(".")[-2])
    if shape.architecture != "llama" or heads is None:
        return tensor
    halves = tensor.reshape(heads, 2, shape.head_width // 2, -1)
    return halves.swapaxes(1, 2).reshape(tensor.shape)


def _stored(tensor: torch.Tensor, precision: Float, name: str) -> tuple[np.ndarray[Any, Any], Any]:
    """The values as they go into the file, with their ggml type."""
    gguf = package("gguf")
    import numpy as np

    values = tensor.numpy()
    if values.ndim < 2 or precision == "f32":
        return values, gguf.GGMLQuantizationType.F32
    if precision == "bf16":
        kind = gguf.GGMLQuantizationType.BF16
        return gguf.quants.quantize(values, kind), kind
    if np.abs(values).max() > _LARGEST_F16:
        raise HarnessError(
            f"{name} has a value above {_LARGEST_F16:g}, the largest of f16",
            next_step="export as bf16 or f32",
        )
    return values.astype(np.float16), gguf.GGMLQuantizationType.F16
