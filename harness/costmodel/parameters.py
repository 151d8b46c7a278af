"""The weight matrices and vectors of a model, and how many parameters they make, whole or split."""

from __future__ import annotations

from dataclasses import dataclass

from harness.costmodel.shapes import ModelShape


@dataclass(frozen=True, slots=True)
class Linear:
    """One weight matrix of a layer, `copies` times where each expert has its own, `used` by one token.

    `role` is the tensor's name in GGUF files: attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up,
    ffn_down, and `router` for what every format leaves unquantized.
    """

    role: str
    outputs: int
    inputs: int
    copies: int = 1
    used: int = 1

    @property
    def weights(self) -> int:
        """Weights of all copies."""
        return self.outputs * self.inputs * self.copies


def is_sparse(shape: ModelShape, layer: int) -> bool:
    """Whether this layer (from 0) has experts."""
    return shape.experts > 0 and layer >= shape.dense_layers


def layer_kinds(shape: ModelShape, layers: range | None = None) -> tuple[tuple[int, int], ...]:
    """(one layer, how many are like it) of each kind among `layers` (default: all): without experts, with."""
    among = layers if layers is not None else range(shape.layers)
    plain = [layer for layer in among if not is_sparse(shape, layer)]
    sparse = [layer for layer in among if is_sparse(shape, layer)]
    return tuple((alike[0], len(alike)) for alike in (plain, sparse) if alike)


def layer_linears(shape: ModelShape, layer: int, tensor_parallel: int = 1) -> tuple[Linear, ...]:
    """The weight matrices of one layer as one of `tensor_parallel` devices holds them.

    Megatron's split (Shoeybi et al. 2019, section 3): queries, key/values and the MLP's inner width by
    columns, the projections behind them by rows. Key/value heads are copied where there are fewer of them
    than devices; routers are copied; every expert is split like a dense MLP.
    """
    hidden, width = shape.hidden, shape.head_width
    queries = -(-shape.heads // tensor_parallel) * width
    keys = -(-shape.kv_heads // tensor_parallel) * width
    found = [
        Linear("attn_q", queries, hidden),
        Linear("attn_k", keys, hidden),
        Linear("attn_v", keys, hidden),
        Linear("attn_output", hidden, queries),
    ]
    if not is_sparse(shape, layer):
        return (*found, *_mlp(shape, -(-shape.intermediate // tensor_parallel)))
    found.append(Linear("router", shape.experts, hidden))
    inner = -(-shape.expert_intermediate // tensor_parallel)
    found += _mlp(shape, inner, shape.experts, shape.experts_per_token)
    if shape.shared_expert_intermediate:
        found.append(Linear("router", 1, hidden))
        found += _mlp(shape, -(-shape.shared_expert_intermediate // tensor_parallel))
    return tuple(found)


def _mlp(shape: ModelShape, inner: int, copies: int = 1, used: int = 1) -> list[Linear]:
    names = ("ffn_gate", "ffn_up") if shape.gated else ("ffn_up",)
    up = [Linear(name, inner, shape.hidden, copies, used) for name in names]
    return [*up, Linear("ffn_down", shape.hidden, inner, copies, used)]


def layer_vectors(shape: ModelShape, layer: int, tensor_parallel: int = 1) -> int:
    """Elements of one layer's norms and biases on one device; norms and output biases are copied."""
    shares = {linear.role: linear.outputs for linear in layer_linears(shape, layer, tensor_parallel)}
    found = shape.norms * shape.hidden
    if shape.qk_norm:
        found += 2 * shape.head_width
    if shape.qkv_bias:
        found += shares["attn_q"] + shares["attn_k"] + shares["attn_v"]
    if shape.output_bias:
        found += shape.hidden
    if shape.mlp_bias:
        found += shares.get("ffn_gate", 0) + shares["ffn_up"] + shape.hidden
    return found


def layer_parameters(shape: ModelShape, layer: int = -1) -> int:
    """Parameters of one layer, norms and biases in; of the last one unless said otherwise."""
    index = layer % shape.layers
    return sum(linear.weights for linear in layer_linears(shape, index)) + layer_vectors(shape, index)


def embedding_parameters(shape: ModelShape) -> int:
    """Parameters of the token embeddings."""
    return shape.vocabulary * shape.hidden


def head_parameters(shape: ModelShape) -> int:
    """Parameters that the LM head adds: none where it is tied to the embeddings."""
    return 0 if shape.tied else shape.vocabulary * shape.hidden


def total_parameters(shape: ModelShape) -> int:
    """All parameters, the final norm in."""
    layers = sum(count * layer_parameters(shape, layer) for layer, count in layer_kinds(shape))
    return layers + embedding_parameters(shape) + head_parameters(shape) + shape.hidden


def active_parameters(shape: ModelShape) -> int:
    """Parameters that take part in one token: all but the experts it is not routed to."""
    idle = sum(
        count * linear.weights * (linear.copies - linear.used) // linear.copies
        for layer, count in layer_kinds(shape)
        for linear in layer_linears(shape, layer)
    )
    return total_parameters(shape) - idle
