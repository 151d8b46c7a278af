"""The architectures whose config.json can be read: what each fixes, and what it takes for a missing key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Windows = tuple[bool, ...]


def all_layers(layers: int, _: int) -> Windows:
    """The window is in every layer."""
    return (True,) * layers


def from_layer(layers: int, first: int) -> Windows:
    """The window is in layer `first` and those above it."""
    return tuple(layer >= first for layer in range(layers))


def even_below(layers: int, end: int) -> Windows:
    """The window is in layers 0, 2, 4 ... below `end`."""
    return tuple(layer % 2 == 0 and layer < end for layer in range(layers))


def all_but_every(layers: int, every: int) -> Windows:
    """Each `every`-th layer sees everything, the others the window."""
    return tuple((layer + 1) % every != 0 for layer in range(layers))


@dataclass(frozen=True, slots=True)
class Family:
    """What transformers takes for a missing key, and what the architecture fixes.

    `windows` says which layers use the sliding window, from the number of layers and the value of
    `window_key`. `optional_window`: the window counts only where `use_sliding_window` is set.
    """

    defaults: Mapping[str, object]
    qkv_bias: bool = False
    qk_norm: bool = False
    norms: int = 2
    windows: Callable[[int, int], Windows] = all_layers
    window_key: str = ""
    optional_window: bool = False
    fused_qkv: bool = False


# Defaults read in transformers 5.19, models/*/configuration_*.py.
_LLAMA = Family({"max_position_embeddings": 2048})
_MISTRAL = Family({"num_key_value_heads": 8, "max_position_embeddings": 131072, "sliding_window": 4096})
_MIXTRAL = Family(
    {
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    }
)
_QWEN = {"max_position_embeddings": 32768, "sliding_window": 4096, "max_window_layers": 28}
_EXPERTS = {"decoder_sparse_step": 1, "mlp_only_layers": ()}
_QWEN2 = Family(
    {**_QWEN, "num_key_value_heads": 32},
    qkv_bias=True,
    windows=from_layer,
    window_key="max_window_layers",
    optional_window=True,
)
_QWEN3 = Family(
    {**_QWEN, "num_key_value_heads": 32, "head_dim": 128},
    qk_norm=True,
    windows=from_layer,
    window_key="max_window_layers",
    optional_window=True,
)
_QWEN2_MOE = Family(
    {
        **_QWEN,
        **_EXPERTS,
        "num_key_value_heads": 16,
        "num_experts": 60,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
    },
    qkv_bias=True,
    windows=even_below,
    window_key="max_window_layers",
    optional_window=True,
)
_QWEN3_MOE = Family(
    {
        **_QWEN,
        **_EXPERTS,
        "num_key_value_heads": 4,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
    },
    qk_norm=True,
    optional_window=True,
)
_PHI3 = Family({"max_position_embeddings": 4096}, fused_qkv=True)
_GEMMA = {"head_dim": 256, "tie_word_embeddings": True, "max_position_embeddings": 8192}
_GEMMA1 = Family({**_GEMMA, "num_key_value_heads": 16})
_GEMMA2 = Family(
    {**_GEMMA, "num_key_value_heads": 4, "sliding_window": 4096, "sliding_window_pattern": 2},
    norms=4,
    windows=all_but_every,
    window_key="sliding_window_pattern",
)
_GEMMA3 = Family(
    {
        **_GEMMA,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
    },
    qk_norm=True,
    norms=4,
    windows=all_but_every,
    window_key="sliding_window_pattern",
)
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "LlamaForCausalLM": _LLAMA,
        "MistralForCausalLM": _MISTRAL,
        "MixtralForCausalLM": _MIXTRAL,
        "Qwen2ForCausalLM": _QWEN2,
        "Qwen2MoeForCausalLM": _QWEN2_MOE,
        "Qwen3ForCausalLM": _QWEN3,
        "Qwen3MoeForCausalLM": _QWEN3_MOE,
        "Phi3ForCausalLM": _PHI3,
        "GemmaForCausalLM": _GEMMA1,
        "Gemma2ForCausalLM": _GEMMA2,
        "Gemma3ForCausalLM": _GEMMA3,
        "Gemma3ForConditionalGeneration": _GEMMA3,
    }
)
MODEL_TYPES = {name.removesuffix("ForCausalLM").lower(): name for name in FAMILIES}
MODEL_TYPES |= {
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma3": "Gemma3ForConditionalGeneration",
}
