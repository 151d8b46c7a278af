"""Bytes of weights, KV cache and activations on each device under tensor and pipeline parallelism.

One device stands for its stage: all tensor-parallel devices of a pipeline stage hold equally much. All
figures are computed from shapes, none is measured.
"""

from __future__ import annotations

import math

from harness.costmodel.formats import WeightFormat
from harness.costmodel.parameters import is_sparse, layer_kinds, layer_linears, layer_vectors
from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError

VOCABULARY_PADDING = 64
"""vLLM pads the vocabulary to a multiple (vocab_parallel_embedding.py, DEFAULT_VOCAB_PADDING_SIZE)."""
_FLOAT32_BYTES = 4


def require_split(shape: ModelShape, tensor_parallel: int, pipeline_parallel: int) -> None:
    """HarnessError where vLLM refuses to split the model so: heads must divide, and every stage has a layer.

    Key/value heads are split, or copied where there are fewer of them than devices (vLLM,
    QKVParallelLinear); both need the one number to divide the other.
    """
    degrees = [
        degree
        for degree in range(1, shape.heads + 1)
        if shape.heads % degree == 0 and (shape.kv_heads % degree == 0 or degree % shape.kv_heads == 0)
    ]
    if tensor_parallel not in degrees:
        raise HarnessError(
            f"{shape.heads} heads with {shape.kv_heads} key/value heads cannot be split "
            f"over {tensor_parallel} devices",
            where=f"tensor_parallel of {shape.name}",
            allowed=", ".join(map(str, degrees)),
        )
    if not 1 <= pipeline_parallel <= shape.layers:
        raise HarnessError(
            f"{shape.layers} layers cannot be split into {pipeline_parallel} stages",
            where=f"pipeline_parallel of {shape.name}",
            allowed=f"1 to {shape.layers}",
        )


def stage_layers(layers: int, stages: int) -> tuple[range, ...]:
    """The layers of each pipeline stage, split as vLLM does (distributed/utils.py, get_pp_indices).

    What is left over goes to the stages before the last one, from behind: the last has the LM head.
    """
    sizes = [layers // stages] * stages
    for stage in range(2, layers % stages + 2):
        sizes[-stage] += 1
    ends = [sum(sizes[: stage + 1]) for stage in range(stages)]
    return tuple(range(end - size, end) for end, size in zip(ends, sizes, strict=True))


def weight_bytes(
    shape: ModelShape, weights: WeightFormat, tensor_parallel: int = 1, pipeline_parallel: int = 1
) -> tuple[int, ...]:
    """Weight bytes on one device of each pipeline stage, shape (stages,).

    Matrices are split (`layer_linears`), norms and routers copied. Embeddings lie on the first stage and the
    LM head on the last, split by vocabulary; tied ones are one matrix only where both lie on one stage.
    Mean bits per weight: a GGUF mix spends up to a tenth more on the first and last layers than this says.
    """
    require_split(shape, tensor_parallel, pipeline_parallel)
    padded = math.ceil(shape.vocabulary / VOCABULARY_PADDING) * VOCABULARY_PADDING
    table = math.ceil(padded / tensor_parallel) * shape.hidden
    found = []
    for layers in stage_layers(shape.layers, pipeline_parallel):
        first, last = 0 in layers, shape.layers - 1 in layers
        bits = sum(
            count * _layer_bits(shape, weights, layer, tensor_parallel)
            for layer, count in layer_kinds(shape, layers)
        )
        if first:
            bits += table * weights.embedding_bits
        if last:
            bits += shape.hidden * weights.vector_bits
            bits += 0.0 if first and shape.tied else table * weights.head_bits
        found.append(math.ceil(bits / 8))
    return tuple(found)


def _layer_bits(shape: ModelShape, weights: WeightFormat, layer: int, tensor_parallel: int) -> float:
    linears = layer_linears(shape, layer, tensor_parallel)
    packed = sum(linear.weights for linear in linears if linear.role != "router")
    routers = sum(linear.weights for linear in linears if linear.role == "router")
    vectors = layer_vectors(shape, layer, tensor_parallel)
    return packed * weights.linear_bits + (routers + vectors) * weights.vector_bits


def layer_windows(shape: ModelShape) -> tuple[bool, ...]:
    """Which layers use the sliding window; spread evenly where the shape knows only how many."""
    if shape.windowed or not shape.sliding_window:
        return shape.windowed or (False,) * shape.layers
    share, layers = shape.sliding_layers, shape.layers
    return tuple((layer + 1) * share // layers > layer * share // layers for layer in range(layers))


def kv_heads_per_device(shape: ModelShape, tensor_parallel: int) -> int:
    """Key/value heads on one device: at least one, which then is a copy."""
    return math.ceil(shape.kv_heads / tensor_parallel)


def kv_layer_bytes(shape: ModelShape, kv_bits: float, tensor_parallel: int = 1) -> float:
    """Keys and values of one token in one layer on one device."""
    return 2.0 * kv_heads_per_device(shape, tensor_parallel) * shape.head_width * kv_bits / 8.0


def kv_bytes(
    shape: ModelShape,
    tokens: int,
    kv_bits: float = 16.0,
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
) -> tuple[float, ...]:
    """KV-cache bytes of one sequence of `tokens` on one device of each stage, shape (stages,).

    A layer with a sliding window holds the window at most. Without blocks: an engine holds whole ones.
    """
    require_split(shape, tensor_parallel, pipeline_parallel)
    each, windows = kv_layer_bytes(shape, kv_bits, tensor_parallel), layer_windows(shape)
    held = [min(tokens, shape.sliding_window) if windowed else tokens for windowed in windows]
    return tuple(
        each * sum(held[layer] for layer in layers)
        for layers in stage_layers(shape.layers, pipeline_parallel)
    )


def kv_bytes_per_token(
    shape: ModelShape, kv_bits: float = 16.0, tensor_parallel: int = 1, pipeline_parallel: int = 1
) -> tuple[float, ...]:
    """KV-cache bytes that one more token adds within every window, on one device of each stage."""
    return kv_bytes(shape, 1, kv_bits, tensor_parallel, pipeline_parallel)


def activation_bytes(
    shape: ModelShape,
    max_num_batched_tokens: int,
    max_num_seqs: int,
    tensor_parallel: int = 1,
    activation_bits: float = 16.0,
) -> int:
    """Peak bytes of activations in one step of `max_num_batched_tokens` tokens, on the busiest device.

    Inference keeps two hidden states throughout, the layer's input and the residual; what else lives is the
    largest of three phases, for T tokens of `activation_bits`:
    attention: T x (queries + keys + values) and its output, T x queries, with a float32 copy of the output
    and one log-sum per head for each of the S sequences (split-KV decoding, Dao et al. 2023); then the
    output with its projection, T x hidden.
    MLP: T x 2 x inner and T x inner behind the activation function; then T x inner and T x hidden. Experts
    hold these for every token's chosen experts, and float32 router scores.
    Logits: S x vocabulary in `activation_bits` and in float32. S = min(max_num_seqs, T).
    """
    tokens, b = float(max_num_batched_tokens), activation_bits / 8.0
    sequences = min(float(max_num_seqs), tokens)
    phases = [_attention_bytes(shape, tokens, sequences, b, tensor_parallel)]
    phases += [_mlp_bytes(shape, layer, tokens, b, tensor_parallel) for layer, _ in layer_kinds(shape)]
    phases.append(sequences * shape.vocabulary * (b + _FLOAT32_BYTES))
    return math.ceil(2.0 * tokens * shape.hidden * b + max(phases))


def _attention_bytes(
    shape: ModelShape, tokens: float, sequences: float, b: float, tensor_parallel: int
) -> float:
    heads = math.ceil(shape.heads / tensor_parallel)
    queries = heads * shape.head_width
    keys = kv_heads_per_device(shape, tensor_parallel) * shape.head_width
    workspace = sequences * heads * (shape.head_width + 1) * _FLOAT32_BYTES
    inside = tokens * (2 * queries + 2 * keys) * b + workspace
    return max(inside, tokens * (queries + shape.hidden) * b)


def _mlp_bytes(shape: ModelShape, layer: int, tokens: float, b: float, tensor_parallel: int) -> float:
    ups = 2 if shape.gated else 1
    if not is_sparse(shape, layer):
        inner = math.ceil(shape.intermediate / tensor_parallel)
        return tokens * max((ups + 1) * inner, inner + shape.hidden) * b
    inner = math.ceil(shape.expert_intermediate / tensor_parallel)
    shared = math.ceil(shape.shared_expert_intermediate / tensor_parallel)
    routed = tokens * shape.experts_per_token * (max(ups * inner, shape.hidden) + inner) * b
    scores = tokens * shape.experts * _FLOAT32_BYTES
    return max(routed + scores, tokens * (ups + 1) * shared * b) + tokens * shape.hidden * b
