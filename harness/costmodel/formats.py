"""Weight formats: the true bits per weight of a model in each, scales and zero points included.

Bits depend on the shape: scales are per row or block, and the GGUF mixes give each layer its own type.
All figures are computed from the formats' published layouts; none is measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harness.costmodel.gguf_mixes import BLOCKS, MIXES, Block, embedding_type, layer_types, output_type
from harness.costmodel.parameters import Linear, layer_kinds, layer_linears
from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError
from harness.hardware.schema import closest

Compute = Literal["fp32", "fp16", "bf16", "fp8", "int8"]

FP8_BLOCK = 128
"""Rows and columns that share one scale in block-wise FP8 (DeepSeek-AI 2024, V3 report, section 3.3.2)."""
NF4_BLOCK, NF4_SCALES = 64, 256
"""Weights per scale, and scales per scale of scales (Dettmers et al. 2023, QLoRA, section 3)."""
GROUP = 128
"""Inputs per scale and zero point (Frantar et al. 2022, GPTQ, section 5; Lin et al. 2023, AWQ)."""
_SCALE_BITS = 32


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How one model's weights are stored, in mean bits per weight.

    `linear_bits` of the layers' matrices, `embedding_bits` and `head_bits` of token embeddings and LM head
    (tied ones are one matrix, and both say its bits), `vector_bits` of what stays unquantized: norms, biases,
    routers. `compute` is the type of the matrix products. `block` is the layout of most linear weights,
    None where each weight stands alone. `source` says where the layout was published.
    """

    name: str
    linear_bits: float
    embedding_bits: float
    head_bits: float
    vector_bits: float
    compute: Compute
    block: Block | None
    source: str


@dataclass(frozen=True, slots=True)
class _Recipe:
    """A format whose linear layers are all stored alike; embeddings, head and vectors keep `other_bits`."""

    bits: Callable[[Linear], float]
    compute: Compute
    other_bits: float
    block: Block | None
    source: str


def _plain(bits: float) -> Callable[[Linear], float]:
    return lambda _: bits


def _fp8_block(linear: Linear) -> float:
    scales = -(-linear.outputs // FP8_BLOCK) * -(-linear.inputs // FP8_BLOCK)
    return 8.0 + _SCALE_BITS * scales / (linear.outputs * linear.inputs)


def _fp8_tensor(linear: Linear) -> float:
    return 8.0 + _SCALE_BITS / (linear.outputs * linear.inputs)


def _per_channel(linear: Linear) -> float:
    return 8.0 + _SCALE_BITS / linear.inputs


def _grouped(bits: int, group: int) -> Callable[[Linear], float]:
    """A 16-bit scale and a zero point of `bits` bits for each group of inputs of each output."""
    return lambda linear: bits + (16 + bits) * -(-linear.inputs // group) / linear.inputs


_NF4_BITS = 4.0 + _SCALE_BITS / NF4_BLOCK
_NF4_DOUBLE_BITS = 4.0 + 8.0 / NF4_BLOCK + _SCALE_BITS / (NF4_BLOCK * NF4_SCALES)
_IEEE = "IEEE 754 and bfloat16: no metadata"
_FP8 = "Micikevicius et al. 2022, FP8 Formats for Deep Learning"
_INT8 = "Dettmers et al. 2022, LLM.int8(); Xiao et al. 2023, SmoothQuant: one fp32 scale per output channel"
_NF4 = "Dettmers et al. 2023, QLoRA, section 3"

_RECIPES: Mapping[str, _Recipe] = MappingProxyType(
    {
        "fp32": _Recipe(_plain(32.0), "fp32", 32.0, None, _IEEE),
        "bf16": _Recipe(_plain(16.0), "bf16", 16.0, None, _IEEE),
        "fp16": _Recipe(_plain(16.0), "fp16", 16.0, None, _IEEE),
        "fp8": _Recipe(
            _fp8_block,
            "fp8",
            16.0,
            Block(FP8_BLOCK**2, 8 * FP8_BLOCK**2 + _SCALE_BITS),
            f"{_FP8}; one fp32 scale per block of 128 x 128 (DeepSeek-AI 2024, V3 report, 3.3.2)",
        ),
        "fp8_tensor": _Recipe(_fp8_tensor, "fp8", 16.0, None, f"{_FP8}; one fp32 scale per matrix"),
        "int8": _Recipe(_per_channel, "int8", 16.0, None, _INT8),
        "nf4": _Recipe(
            _plain(_NF4_BITS),
            "bf16",
            16.0,
            Block(NF4_BLOCK, round(_NF4_BITS * NF4_BLOCK)),
            f"{_NF4}: fp32 scales",
        ),
        "nf4_double": _Recipe(
            _plain(_NF4_DOUBLE_BITS),
            "bf16",
            16.0,
            Block(NF4_BLOCK * NF4_SCALES, round(_NF4_DOUBLE_BITS * NF4_BLOCK * NF4_SCALES)),
            f"{_NF4}: 8-bit scales with one fp32 scale for 256",
        ),
    }
)
_GROUPED = re.compile(
    r"(gptq|awq)?(?:marlin)?(int|w)?([348])(?:bits?)?(?:a16)?(?:g(32|64|128)|(32|64|128)g)?"
)
_GROUPED_SOURCE = {"gptq": "Frantar et al. 2022, GPTQ, section 5", "awq": "Lin et al. 2023, AWQ, section 5"}
# What the hardware matrix, published tables and other tools call them, without separators.
# "4bit" and "8bit" alone are bitsandbytes' there; "w8a16" is GPTQ's.
_SPELLINGS = {
    "fp32": "float32 float f32 32bit",
    "fp16": "float16 half f16 16bit w16a16",
    "bf16": "bfloat16 none",
    "fp8": "float8 e4m3 fp8e4m3 fp8e4m3fn float8e4m3fn fp8e5m2 float8e5m2 fp8block fp8w8a8 w8a8fp8",
    "fp8_tensor": "fp8static fp8dynamic fp8pertensor",
    "int8": "8bit w8a8 w8a8int8 int8w8a8 smoothquant llmint8 bnb8bit bnbint8 bitsandbytes8bit",
    "nf4": "4bit fp4 bnb4bit bnbnf4 bnbfp4 bnb bitsandbytes bitsandbytes4bit bitsandbytesnf4 qlora",
    "nf4_double": "nf4doublequant nf4dq",
    "gptq_4bit": "gptq gptqmarlin marlin int4w4a16 int4gptq w4a16gptq int4weightonly",
    "gptq_8bit": "int8w8a16 int8weightonly",
    "awq_4bit": "awq awqmarlin int4awq w4a16awq",
    "q3_k_m": "q3k",
    "q4_k_m": "q4k",
    "q5_k_m": "q5k",
}
FORMAT_NAMES = (*_RECIPES, "gptq_8bit", "gptq_4bit", "gptq_3bit", "awq_4bit", "awq_3bit", *MIXES)
"""Formats with their usual group of 128; `gptq_4bit_g64` names another group (32, 64, 128)."""


def _compact(name: str) -> str:
    """`torch.bfloat16` as `bfloat16`, `FP8 (E4M3)` as `fp8e4m3`: lower case, no separators."""
    return re.sub(r"[^a-z0-9]+", "", name.lower()).removeprefix("torch").removeprefix("gguf")


_BY_SPELLING = {_compact(name): name for name in FORMAT_NAMES} | {
    spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings.split()
}


def weight_format(name: str, shape: ModelShape) -> WeightFormat:
    """The format called `name` (in any case, with any separators) as it is for this model.

    Raises HarnessError that lists the formats for a name that is none.
    """
    wanted = _canonical(name)
    if wanted in MIXES:
        return _gguf(wanted, shape)
    recipe = _RECIPES.get(wanted) or _grouped_recipe(wanted)
    if recipe is None:
        raise HarnessError(
            f"there is no weight format {name!r}",
            allowed=", ".join(FORMAT_NAMES),
            next_step=closest(name.strip().lower(), [*FORMAT_NAMES, *_BY_SPELLING]) or "take one of these",
        )
    bits = _mean_bits((linear, count, recipe.bits(linear)) for linear, count in _packed(shape))
    other = recipe.other_bits
    return WeightFormat(wanted, bits, other, other, other, recipe.compute, recipe.block, recipe.source)


def _canonical(name: str) -> str:
    """Our name of a format in whatever spelling; empty where there is none."""
    compact = _compact(name)
    known = _BY_SPELLING.get(compact) or _BY_SPELLING.get(compact.removesuffix("gguf"))
    found = _GROUPED.fullmatch(compact)
    if known or not found or not (found[1] or found[2]):
        return known or ""
    group = f"_g{found[4] or found[5]}" if found[4] or found[5] else ""
    return f"{found[1] or 'gptq'}_{found[3]}bit{group}"


def _grouped_recipe(name: str) -> _Recipe | None:
    found = re.fullmatch(r"(gptq|awq)_([348])bit(?:_g(\d+))?", name)
    if not found:
        return None
    method, bits, group = found[1], int(found[2]), int(found[3] or GROUP)
    block = Block(group, bits * group + 16 + bits)
    source = f"{_GROUPED_SOURCE[method]}: an fp16 scale and a zero point per {group} inputs"
    return _Recipe(_grouped(bits, group), "fp16", 16.0, block, source)


def _gguf(name: str, shape: ModelShape) -> WeightFormat:
    """A GGUF mix: the bits of each tensor's own type; routers, norms and biases stay fp32."""
    layers = (
        (linear, 1, BLOCKS[kind].bits_per_weight)
        for layer in range(shape.layers)
        for linear, kind in layer_types(name, shape, layer)
    )
    base = BLOCKS[MIXES[name]]
    return WeightFormat(
        name=name,
        linear_bits=_mean_bits(layers),
        embedding_bits=BLOCKS[embedding_type(name, shape)].bits_per_weight,
        head_bits=BLOCKS[output_type(name, shape)].bits_per_weight,
        vector_bits=32.0,
        compute="int8",  # llama.cpp multiplies with activations in 8-bit blocks (Q8_K, Q8_0)
        block=base,
        source="llama.cpp: ggml-common.h (block layouts), llama-quant.cpp (which tensor gets which type)",
    )


def _packed(shape: ModelShape) -> Iterator[tuple[Linear, int]]:
    """Each quantized matrix, and in how many layers there is one like it."""
    for layer, count in layer_kinds(shape):
        yield from ((linear, count) for linear in layer_linears(shape, layer) if linear.role != "router")


def _mean_bits(weighted: Iterator[tuple[Linear, int, float]]) -> float:
    weights, bits = 0, 0.0
    for linear, count, each in weighted:
        weights += count * linear.weights
        bits += count * linear.weights * each
    return bits / weights
