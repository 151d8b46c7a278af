"""GGUF quantization: the layout of each block type, and which tensor of a model gets which type.

Layouts: llama.cpp, ggml/src/ggml-common.h. Rules: llama.cpp, src/llama-quant.cpp, `llama_tensor_get_type`,
without an importance matrix and for the K types, the legacy types and the ternary ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.costmodel.parameters import Linear, layer_linears
from harness.costmodel.shapes import ModelShape


@dataclass(frozen=True, slots=True)
class Block:
    """`weights` that share metadata; `bits` of all of them, the metadata in."""

    weights: int
    bits: int

    @property
    def bits_per_weight(self) -> float:
        """True bits per weight."""
        return self.bits / self.weights


def _bytes(weights: int, *parts: int) -> Block:
    return Block(weights, 8 * sum(parts))


# Parts in bytes: quants, high bits, scales of sub-blocks, fp16 scales of the block, in the structs' terms.
BLOCKS: Mapping[str, Block] = MappingProxyType(
    {
        "F32": _bytes(1, 4),
        "F16": _bytes(1, 2),
        "Q8_0": _bytes(32, 32, 2),
        "Q5_1": _bytes(32, 16, 4, 2 + 2),
        "Q5_0": _bytes(32, 16, 4, 2),
        "Q4_1": _bytes(32, 16, 2 + 2),
        "Q4_0": _bytes(32, 16, 2),
        "IQ4_NL": _bytes(32, 16, 2),
        "Q6_K": _bytes(256, 128, 64, 16, 2),
        "Q5_K": _bytes(256, 128, 32, 12, 2 + 2),
        "Q4_K": _bytes(256, 128, 12, 2 + 2),
        "Q3_K": _bytes(256, 64, 32, 12, 2),
        "Q2_K": _bytes(256, 64, 16, 2 + 2),
        "TQ2_0": _bytes(256, 64, 2),
        "TQ1_0": _bytes(256, 48, 4, 2),
    }
)
MIXES: Mapping[str, str] = MappingProxyType(
    {
        "q8_0": "Q8_0",
        "q6_k": "Q6_K",
        "q5_k_m": "Q5_K",
        "q5_k_s": "Q5_K",
        "q4_k_m": "Q4_K",
        "q4_k_s": "Q4_K",
        "q3_k_l": "Q3_K",
        "q3_k_m": "Q3_K",
        "q3_k_s": "Q3_K",
        "q2_k": "Q2_K",
        "q5_1": "Q5_1",
        "q5_0": "Q5_0",
        "q4_1": "Q4_1",
        "q4_0": "Q4_0",
        "tq2_0": "TQ2_0",
        "tq1_0": "TQ1_0",
    }
)
"""Every mix with the type that most of its tensors get."""
# What a row takes whose length is no multiple of 256.
_SHORT_ROWS = {
    "Q2_K": "IQ4_NL",
    "Q3_K": "IQ4_NL",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
    "TQ1_0": "Q4_0",
    "TQ2_0": "Q4_0",
}
_FUSED_QKV = {"q3_k_m": "Q4_K", "q3_k_l": "Q4_K", "q4_k_m": "Q5_K", "q5_k_m": "Q6_K"}
_ATTENTION_OUTPUT = {"q2_k": "Q3_K", "q3_k_m": "Q4_K", "q3_k_l": "Q5_K"}
_EIGHT_EXPERTS_OUTPUT = dict.fromkeys(("q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m"), "Q5_K")


def layer_types(mix: str, shape: ModelShape, layer: int) -> Iterator[tuple[Linear, str]]:
    """Each quantized matrix of one layer with its block type; routers stay out, they are not quantized."""
    for linear in layer_linears(shape, layer):
        if linear.role != "router":
            yield linear, _fitting(_tensor_type(mix, linear.role, shape, layer), linear.inputs)


def output_type(mix: str, shape: ModelShape) -> str:
    """The LM head's type, which tied embeddings share."""
    base = MIXES[mix]
    if base == "Q8_0" or shape.hidden % BLOCKS[base].weights:
        return _fitting("Q8_0", shape.hidden)
    return _fitting("Q6_K", shape.hidden)


def embedding_type(mix: str, shape: ModelShape) -> str:
    """The token embeddings' type."""
    if shape.tied:
        return output_type(mix, shape)
    base = MIXES[mix]
    return _fitting("Q4_K" if base.startswith("TQ") else base, shape.hidden)


def use_more_bits(layer: int, layers: int) -> bool:
    """The layers that the medium mixes spend more on: the first and last eighth, and every third between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _tensor_type(mix: str, role: str, shape: ModelShape, layer: int) -> str:
    base = MIXES[mix]
    if role in ("attn_q", "attn_k", "attn_v") and shape.fused_qkv:
        return _FUSED_QKV.get(mix, base)
    if role in ("attn_k", "attn_v") and shape.experts == 8:
        return "Q8_0"
    if role == "attn_v":
        return _value_type(mix, shape, layer)
    if role == "attn_output":
        return (_EIGHT_EXPERTS_OUTPUT if shape.experts == 8 else _ATTENTION_OUTPUT).get(mix, base)
    if role == "ffn_down":
        return _down_type(mix, layer, shape.layers)
    return base


def _value_type(mix: str, shape: ModelShape, layer: int) -> str:
    found = MIXES[mix]
    if mix == "q2_k":
        found = "Q4_K" if shape.heads // shape.kv_heads >= 4 else "Q3_K"
    elif mix == "q3_k_m":
        found = "Q5_K" if layer < 2 else "Q4_K"
    elif mix == "q3_k_l" or (mix == "q4_k_s" and layer < 4):
        found = "Q5_K"
    elif mix in ("q4_k_m", "q5_k_m") and use_more_bits(layer, shape.layers):
        found = "Q6_K"
    # llama.cpp's "70B": values are an eighth of the queries there, so more bits cost next to nothing.
    seventy = shape.layers == 80 and shape.kv_heads < shape.heads
    return "Q5_K" if seventy and found in ("Q3_K", "Q4_K") else found


def _down_type(mix: str, layer: int, layers: int) -> str:
    if mix == "q2_k":
        return "Q3_K"
    if mix == "q3_k_m":
        return "Q5_K" if layer < layers // 16 else "Q4_K"
    if mix == "q3_k_l" or (mix == "q4_k_s" and layer < layers // 8):
        return "Q5_K"
    if mix in ("q4_k_m", "q5_k_m") and use_more_bits(layer, layers):
        return "Q6_K"
    return MIXES[mix]


def _fitting(kind: str, inputs: int) -> str:
    """`kind`, or what llama.cpp takes instead where rows of `inputs` weights do not fill whole blocks."""
    if inputs % BLOCKS[kind].weights == 0:
        return kind
    instead = _SHORT_ROWS.get(kind, "F16")
    return instead if inputs % BLOCKS[instead].weights == 0 else "F16"
