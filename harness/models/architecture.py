"""The shapes of causal LM that this project exports: Qwen2, Qwen3 and Llama, read from a config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import HarnessError

Architecture = Literal["qwen2", "qwen3", "llama"]
ARCHITECTURES: dict[str, Architecture] = {
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "LlamaForCausalLM": "llama",
}
# the seven matrices of one layer
LINEAR = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a config.json says about the computation. `tied`: the output matrix is the embedding."""

    architecture: Architecture
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    context_tokens: int
    rope_base: float
    norm_epsilon: float
    tied: bool


def read_shape(config: Mapping[str, Any], where: str) -> Shape:
    """The shape of a config; raises HarnessError for another architecture or what GGUF export lacks."""
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named else config.get("model_type")
    if name not in ARCHITECTURES:
        raise HarnessError(
            f"the architecture is {name!r}",
            where=where,
            allowed=", ".join(ARCHITECTURES),
            next_step="give a checkpoint of one of these",
        )
    _refuse_variants(config, where)
    try:
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        shape = Shape(
            architecture=ARCHITECTURES[name],
            vocabulary=int(config["vocab_size"]),
            hidden=hidden,
            intermediate=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_width=int(config.get("head_dim") or hidden // heads),
            context_tokens=int(config["max_position_embeddings"]),
            rope_base=float(_rope(config).get("rope_theta", 10_000.0)),
            norm_epsilon=float(config["rms_norm_eps"]),
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except KeyError as error:
        raise HarnessError(f"there is no {error.args[0]!r}", where=where) from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise HarnessError(f"a size is no number: {error}", where=where) from None
    if shape.heads % shape.kv_heads or shape.head_width % 2:
        raise HarnessError(
            f"{shape.heads} heads of width {shape.head_width} cannot share {shape.kv_heads} kv heads",
            where=where,
        )
    return shape


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor that a checkpoint of this shape holds, with its dimensions, in a fixed order."""
    tensors: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape.vocabulary, shape.hidden)}
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    sizes = {
        "self_attn.q_proj": (queries, shape.hidden),
        "self_attn.k_proj": (keys, shape.hidden),
        "self_attn.v_proj": (keys, shape.hidden),
        "self_attn.o_proj": (shape.hidden, queries),
        "mlp.gate_proj": (shape.intermediate, shape.hidden),
        "mlp.up_proj": (shape.intermediate, shape.hidden),
        "mlp.down_proj": (shape.hidden, shape.intermediate),
    }
    for layer in range(shape.layers):
        at = f"model.layers.{layer}"
        tensors |= {
            f"{at}.{norm}.weight": (shape.hidden,) for norm in ("input_layernorm", "post_attention_layernorm")
        }
        tensors |= {f"{at}.{linear}.weight": sizes[linear] for linear in LINEAR}
        if shape.architecture == "qwen2":
            tensors |= {f"{at}.{linear}.bias": sizes[linear][:1] for linear in LINEAR[:3]}
        if shape.architecture == "qwen3":
            tensors |= {f"{at}.self_attn.{norm}.weight": (shape.head_width,) for norm in ("q_norm", "k_norm")}
    tensors["model.norm.weight"] = (shape.hidden,)
    if not shape.tied:
        tensors["lm_head.weight"] = (shape.vocabulary, shape.hidden)
    return tensors


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`rope_parameters` of transformers 5, or the flat keys of earlier versions."""
    rope = config.get("rope_parameters")
    if isinstance(rope, dict):
        return rope
    scaling = config.get("rope_scaling")
    flat = {"rope_theta": config["rope_theta"]} if "rope_theta" in config else {}
    return flat | (scaling if isinstance(scaling, dict) else {})


def _refuse_variants(config: Mapping[str, Any], where: str) -> None:
    rope = _rope(config)
    variant = {
        "rope scaling": rope.get("rope_type", rope.get("type", "default")) != "default",
        "a sliding window": bool(config.get("use_sliding_window")),
        "biases beside those of its architecture": bool(
            config.get("attention_bias") or config.get("mlp_bias")
        ),
        "weights that are already quantized": "quantization_config" in config,
        "an activation other than silu": config.get("hidden_act", "silu") != "silu",
    }
    for what, present in variant.items():
        if present:
            raise HarnessError(
                f"the checkpoint has {what}, which the export does not know",
                where=where,
                next_step="give a plain checkpoint, or convert it with llama.cpp's own convert_hf_to_gguf.py",
            )
