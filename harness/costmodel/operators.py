"""FLOPs and bytes of every operator in one engine step, per device.

A step is: per layer the projections, attention, MLP or experts and, under tensor parallelism, two
all-reduces; then the LM head for the sequences that sample; under pipeline parallelism the transfers
between stages. Counts follow Kaplan et al. 2020 (2 FLOPs per weight and token; 4 x heads x width FLOPs per
(query, key) pair) and Shoeybi et al. 2019 (how tensor parallelism splits them).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.load import StepLoad
from harness.costmodel.precision import Precision
from harness.costmodel.shapes import ModelShape

Number = TypeVar("Number", float, NDArray[np.float64])
Kind = Literal["matmul", "attention", "elementwise", "all_reduce", "transfer"]

TILE = 128
"""Rows and columns of the output tile that large matrix products are cut into (CUTLASS, cuBLAS)."""
SMALL_TILES = (16, 32, 64)
"""Rows of the tiles for few tokens; the data steps at 16, 64 and at every multiple of 128."""
SPLIT_INPUTS = 512
"""Inputs that a part of a split product keeps at least: assumed, the data do not tell 256 from 1,024."""


CACHED_COST = 1.0 / 3.0
"""Time of a byte from the second-level cache relative to one from memory (A100 and H100: about 1 / 3)."""


@dataclass(frozen=True, slots=True)
class Matmul:
    """One weight matrix of a layer (or the head) as one device holds it: outputs x inputs.

    `experts` > 0: one such matrix per expert, of which each token uses `experts_per_token`. `packed`: stored
    in the weight format; routers and LM heads usually are not.
    """

    name: str
    outputs: int
    inputs: int
    repeats: int
    experts: int = 0
    experts_per_token: int = 0
    packed: bool = True


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a step on one device, done `repeats` times; the other figures are of one time.

    `flops` are useful ones; `padded_flops` those that whole tiles and waves occupy. `bytes` pass the
    device's memory, or its link for all-reduce and transfer. `weights` is how many packed weights are
    unpacked, `rows` of how many rows of activations they are multiplied with.
    """

    name: str
    kind: Kind
    repeats: int
    flops: float
    padded_flops: float
    bytes: float
    weights: float = 0.0
    rows: float = 0.0


def tile_rows(rows: float) -> int:
    """Rows that the tiles of a product with `rows` rows cover: 16, 32, 64 or a multiple of 128."""
    for tile in SMALL_TILES:
        if rows <= tile:
            return tile
    return math.ceil(rows / TILE) * TILE


def padded_flops(rows: float, outputs: int, inputs: int, multiprocessors: int, wave_loss: float) -> float:
    """FLOPs of the tiles, and of the `wave_loss` of a wave in which multiprocessors wait for the last ones.

    The last wave of tiles is on average half empty (NVIDIA, Matrix Multiplication Background User's Guide,
    tile and wave quantization). A product of fewer tiles than multiprocessors is split along its inputs
    (split-K), so that its waves are shorter.
    """
    covered = tile_rows(rows)
    height = min(covered, TILE)
    tiles = covered // height * math.ceil(outputs / TILE)
    parts = max(1, min(inputs // SPLIT_INPUTS, multiprocessors // tiles))
    return 2.0 * height * TILE * inputs * (tiles + wave_loss * multiprocessors / parts)


def experts_touched(experts: int, per_token: int, tokens: int) -> float:
    """Expected experts that at least one of `tokens` tokens uses, if routing is uniform."""
    return experts * (1.0 - (1.0 - per_token / experts) ** tokens)


def layer_matmuls(shape: ModelShape, tensor_parallel: int) -> tuple[Matmul, ...]:
    """The weight matrices of all layers as one of `tensor_parallel` devices holds them.

    Key and value heads are copied where there are fewer of them than devices. Experts are split like a dense
    MLP, each over all devices.
    """
    share = tensor_parallel
    width, hidden = shape.head_width, shape.hidden
    heads, kv_heads = math.ceil(shape.heads / share), math.ceil(shape.kv_heads / share)
    ups = 2 if shape.gated else 1
    dense = shape.dense_layers if shape.experts else shape.layers
    sparse = shape.layers - dense
    found = [
        Matmul("qkv projection", (heads + 2 * kv_heads) * width, hidden, shape.layers),
        Matmul("output projection", hidden, heads * width, shape.layers),
    ]
    if dense:
        inner = math.ceil(shape.intermediate / share)
        found += [
            Matmul("mlp up", ups * inner, hidden, dense),
            Matmul("mlp down", hidden, inner, dense),
        ]
    if sparse:
        inner = math.ceil(shape.expert_intermediate / share)
        routed = (shape.experts, shape.experts_per_token)
        found += [
            Matmul("router", shape.experts, hidden, sparse, packed=False),
            Matmul("experts up", ups * inner, hidden, sparse, *routed),
            Matmul("experts down", hidden, inner, sparse, *routed),
        ]
    if sparse and shape.shared_expert_intermediate:
        inner = math.ceil(shape.shared_expert_intermediate / share)
        found += [
            Matmul("shared expert up", ups * inner, hidden, sparse),
            Matmul("shared expert down", hidden, inner, sparse),
        ]
    return tuple(found)


def head_matmul(shape: ModelShape, tensor_parallel: int) -> Matmul:
    """The LM head, split by vocabulary."""
    return Matmul("lm head", math.ceil(shape.vocabulary / tensor_parallel), shape.hidden, 1, packed=False)


def matmul_operator(
    matrix: Matmul, tokens: int, precision: Precision, multiprocessors: int, wave_loss: float
) -> Operator:
    """`matrix` times `tokens` rows."""
    size = float(matrix.outputs * matrix.inputs)
    touched, rows = 1.0, float(tokens)
    if matrix.experts and tokens:
        touched = experts_touched(matrix.experts, matrix.experts_per_token, tokens)
        rows = tokens * matrix.experts_per_token / touched
    weight_bytes = (precision.weight_bits if matrix.packed else precision.head_bits) / 8.0
    activations = touched * rows * (matrix.inputs + matrix.outputs) * precision.activation_bytes
    # The experts' products run as one, so that one wave is lost and not one per expert.
    one = padded_flops(rows, matrix.outputs, matrix.inputs, multiprocessors, 0.0)
    idle = padded_flops(rows, matrix.outputs, matrix.inputs, multiprocessors, wave_loss) - one
    return Operator(
        name=matrix.name,
        kind="matmul",
        repeats=matrix.repeats,
        flops=2.0 * size * rows * touched,
        padded_flops=touched * one + idle,
        bytes=touched * size * weight_bytes + activations,
        weights=touched * size if matrix.packed else 0.0,
        rows=rows,
    )


def elementwise_operator(
    shape: ModelShape, tokens: int, tensor_parallel: int, passes: float, cache_bytes: float
) -> Operator:
    """Norms, rotary embedding, activation function, residuals: bytes only, in 16 bits.

    Fused kernels read and write the hidden state 4 times around each of two norms, queries and keys twice
    and the MLP's inner state three times. `passes` multiplies that for engines that fuse less. What the
    second-level cache holds of a hidden state costs `CACHED_COST` of what comes from memory.
    """
    inner = shape.intermediate
    if shape.experts and shape.dense_layers < shape.layers:
        inner = shape.experts_per_token * shape.expert_intermediate + shape.shared_expert_intermediate
    split = 2 * (shape.heads + 2 * shape.kv_heads) * shape.head_width + (3 if shape.gated else 2) * inner
    state = tokens * shape.hidden * 2.0
    missed = max(0.0, state - cache_bytes) / state if state else 0.0
    share = CACHED_COST + (1.0 - CACHED_COST) * missed
    moved = tokens * (8 * shape.hidden + split / tensor_parallel) * 2.0 * passes * share
    return Operator("elementwise", "elementwise", shape.layers, 0.0, 0.0, moved)


def windows(shape: ModelShape) -> tuple[tuple[int, int], ...]:
    """(layers, window in tokens) of each kind of attention; a window of 0 sees everything."""
    windowed = shape.sliding_layers if shape.sliding_window else 0
    kinds = ((shape.layers - windowed, 0), (windowed, shape.sliding_window))
    return tuple(kind for kind in kinds if kind[0])


def attention_operators(
    shape: ModelShape, load: StepLoad, precision: Precision, tensor_parallel: int
) -> Iterator[Operator]:
    """Scores and weighted values of prompts and of decoding sequences, for each kind of attention."""
    kv_bytes = kv_bytes_per_token(shape, precision, tensor_parallel)
    flops = pair_flops(shape, tensor_parallel)
    for layers, window in windows(shape):
        if load.prefill_tokens:
            pairs, context = prefill_reach(load, window)
            queries = query_bytes(shape, load.prefill_tokens, precision, tensor_parallel)
            moved = context * kv_bytes + queries
            yield Operator("prefill attention", "attention", layers, pairs * flops, pairs * flops, moved)
        if load.decode_sequences:
            seen = decode_context(load.decode_sequences, float(load.decode_context_tokens), window)
            queries = query_bytes(shape, load.decode_sequences, precision, tensor_parallel)
            moved = seen * kv_bytes + queries
            yield Operator("decode attention", "attention", layers, seen * flops, seen * flops, moved)


def prefill_reach(load: StepLoad, window: int) -> tuple[float, float]:
    """(query, key) pairs and KV tokens read by prompt chunks, no query seeing more than a window."""
    pairs, context = float(load.prefill_pairs), float(load.prefill_context_tokens)
    if not window:
        return pairs, context
    most = float(load.prefill_tokens + load.prefill_sequences * window)
    return min(pairs, float(load.prefill_tokens) * window), min(context, most)


def decode_context(sequences: int, context_tokens: Number, window: int) -> Number:
    """KV tokens that decoding sequences read; a window is taken to cut the mean context."""
    if not window:
        return context_tokens
    most = float(sequences) * window
    if isinstance(context_tokens, np.ndarray):
        return np.minimum(context_tokens, most)
    return min(context_tokens, most)


def kv_bytes_per_token(shape: ModelShape, precision: Precision, tensor_parallel: int) -> float:
    """Keys and values of one token in one layer on one device."""
    kv_heads = math.ceil(shape.kv_heads / tensor_parallel)
    return 2.0 * kv_heads * shape.head_width * precision.kv_bits / 8.0


def pair_flops(shape: ModelShape, tensor_parallel: int) -> float:
    """FLOPs of one (query, key) pair in one layer on one device: scores and values, all its heads."""
    return 4.0 * math.ceil(shape.heads / tensor_parallel) * shape.head_width


def query_bytes(shape: ModelShape, tokens: int, precision: Precision, tensor_parallel: int) -> float:
    """Queries read and outputs written for `tokens` tokens in one layer on one device."""
    width = math.ceil(shape.heads / tensor_parallel) * shape.head_width
    return 2.0 * tokens * width * precision.activation_bytes


def all_reduce_operator(
    shape: ModelShape, tokens: int, precision: Precision, tensor_parallel: int
) -> Operator:
    """Two sums per layer over the devices; a ring sends 2 (n - 1) / n of the hidden states each way."""
    share = 2.0 * (tensor_parallel - 1) / tensor_parallel
    sent = share * tokens * shape.hidden * precision.activation_bytes
    return Operator("all-reduce", "all_reduce", 2 * shape.layers, 0.0, 0.0, sent)


def transfer_operator(
    shape: ModelShape, tokens: int, precision: Precision, pipeline_parallel: int
) -> Operator:
    """Hidden states that go from each stage to the next."""
    sent = float(tokens) * shape.hidden * precision.activation_bytes
    return Operator("pipeline transfer", "transfer", pipeline_parallel - 1, 0.0, 0.0, sent)
