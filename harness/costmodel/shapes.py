"""The sizes of a decoder-only model, read from its config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.costmodel.families import FAMILIES, MODEL_TYPES, Family
from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of one decoder-only transformer; widths in elements, `context_tokens` in tokens.

    `heads` query heads of `head_width` share `kv_heads` key/value heads. `gated`: three MLP matrices, not
    two. `experts` 0 means dense; otherwise the first `dense_layers` layers have a plain MLP of `intermediate`
    and the others experts of `expert_intermediate`. A dense model has `dense_layers` = `layers`.
    `sliding_layers` layers see `sliding_window` tokens only (0: none); `windowed` says which, empty where
    that is unknown. `norms` are the norms of width `hidden` in one layer. `fused_qkv`: stored as one matrix.
    """

    name: str
    architecture: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    tied: bool
    context_tokens: int
    gated: bool
    qkv_bias: bool
    qk_norm: bool
    experts: int
    experts_per_token: int
    expert_intermediate: int
    shared_expert_intermediate: int
    dense_layers: int
    sliding_window: int
    sliding_layers: int
    windowed: tuple[bool, ...] = ()
    norms: int = 2
    output_bias: bool = False
    mlp_bias: bool = False
    fused_qkv: bool = False


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The keys of one config.json over an architecture's defaults; `where` names the file in errors."""

    keys: Mapping[str, object]
    defaults: Mapping[str, object]
    where: str

    def get(self, key: str) -> object:
        """The key's value; null counts as missing, as in transformers."""
        value = self.keys.get(key)
        return self.defaults.get(key) if value is None else value

    def count(self, key: str, *, least: int = 1, instead: int | None = None) -> int:
        """A whole number of at least `least`; `instead` where the key is missing."""
        value = self.get(key)
        if value is None and instead is not None:
            return instead
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            what = "is missing" if value is None else f"is {value!r}"
            raise self.error(key, what, f"a whole number from {least}")
        return value

    def flag(self, key: str, *, instead: bool = False) -> bool:
        """True or false."""
        value = self.get(key)
        if value is None:
            return instead
        if not isinstance(value, bool):
            raise self.error(key, f"is {value!r}", "true, false")
        return value

    def error(self, key: str, what: str, allowed: str) -> HarnessError:
        """The error for one key."""
        return HarnessError(f"{key} {what}", where=self.where, allowed=allowed)


def shape_from_file(path: Path) -> ModelShape:
    """The shape in a config.json, or in the config.json of a folder, named after its folder.

    Raises HarnessError where the file is missing, is no JSON object or describes no known architecture.
    """
    file = path
    try:
        file = path / "config.json" if path.is_dir() else path
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"cannot be read ({error.strerror})", where=str(file)) from error
    except ValueError as error:
        raise HarnessError(f"is not JSON ({error})", where=str(file)) from error
    if not isinstance(config, dict):
        raise HarnessError("holds no JSON object", where=str(file), allowed="a model's config.json")
    return shape_from_config(config, file.resolve().parent.name, where=str(file))


def shape_from_config(config: Mapping[str, object], name: str, *, where: str = "") -> ModelShape:
    """The shape that a Hugging Face config.json describes, with transformers' defaults for missing keys.

    A multimodal model's language model is read (`text_config`). Raises HarnessError that names file
    (`where`), key and what is allowed, for an architecture that is not known and for impossible sizes.
    """
    where = where or f"config.json of {name}"
    architecture = _architecture(config, where)
    family = FAMILIES[architecture]
    text = config.get("text_config")
    keys = {**config, **text} if isinstance(text, Mapping) else config
    sizes = _Sizes(keys, family.defaults, where)
    layers, hidden = sizes.count("num_hidden_layers"), sizes.count("hidden_size")
    heads = sizes.count("num_attention_heads")
    kv_heads = sizes.count("num_key_value_heads", instead=heads)
    if heads % kv_heads:
        raise sizes.error("num_key_value_heads", f"is {kv_heads}", f"a divisor of {heads} attention heads")
    if sizes.get("head_dim") is None and hidden % heads:
        raise sizes.error("hidden_size", f"is {hidden} without head_dim", f"a multiple of {heads} heads")
    window, windowed = _windows(sizes, family, layers)
    experts = _experts(sizes, layers)
    bias = sizes.flag("attention_bias")
    return ModelShape(
        name=name,
        architecture=architecture,
        layers=layers,
        hidden=hidden,
        intermediate=sizes.count("intermediate_size"),
        heads=heads,
        kv_heads=kv_heads,
        head_width=sizes.count("head_dim", instead=hidden // heads),
        vocabulary=sizes.count("vocab_size"),
        tied=sizes.flag("tie_word_embeddings"),
        context_tokens=sizes.count("max_position_embeddings"),
        gated=True,
        qkv_bias=sizes.flag("qkv_bias", instead=family.qkv_bias or bias),
        qk_norm=family.qk_norm,
        experts=experts[0],
        experts_per_token=experts[1],
        expert_intermediate=experts[2],
        shared_expert_intermediate=experts[3],
        dense_layers=experts[4],
        sliding_window=window,
        sliding_layers=sum(windowed),
        windowed=windowed,
        norms=family.norms,
        output_bias=bias,
        mlp_bias=sizes.flag("mlp_bias"),
        fused_qkv=family.fused_qkv,
    )


def _architecture(config: Mapping[str, object], where: str) -> str:
    named = config.get("architectures")
    found = named[0] if isinstance(named, list) and named else MODEL_TYPES.get(str(config.get("model_type")))
    if isinstance(found, str) and found in FAMILIES:
        return found
    key = "architectures" if named else "model_type"
    raise HarnessError(
        f"{key} {config.get(key)!r} is not a known architecture",
        where=where,
        allowed=", ".join(FAMILIES),
    )


def _windows(sizes: _Sizes, family: Family, layers: int) -> tuple[int, tuple[bool, ...]]:
    """(window in tokens, which layers use it): transformers' `layer_types`, given or derived."""
    off = (0, (False,) * layers)
    if family.optional_window and not sizes.flag("use_sliding_window"):
        return off
    window = sizes.count("sliding_window", least=0, instead=0)
    if not window:
        return off
    types = sizes.get("layer_types")
    if types is None:
        least = 1 if family.window_key == "sliding_window_pattern" else 0
        setting = sizes.count(family.window_key, least=least) if family.window_key else 0
        windowed = family.windows(layers, setting)
    else:
        known = ("full_attention", "sliding_attention")
        if not isinstance(types, list) or len(types) != layers or not set(map(str, types)) <= set(known):
            raise sizes.error("layer_types", "does not fit", f"{layers} times one of {', '.join(known)}")
        windowed = tuple(kind == "sliding_attention" for kind in types)
    return (window, windowed) if any(windowed) else off


def _experts(sizes: _Sizes, layers: int) -> tuple[int, int, int, int, int]:
    """(experts, per token, their width, shared expert's width, layers without); Mixtral's keys or Qwen's."""
    mixtral = sizes.get("num_local_experts") is not None
    key = "num_local_experts" if mixtral else "num_experts"
    experts = sizes.count(key, least=0, instead=0)
    if not experts:
        return 0, 0, 0, 0, layers
    per_token = sizes.count("num_experts_per_tok")
    if per_token > experts:
        raise sizes.error("num_experts_per_tok", f"is {per_token}", f"1 to {experts} experts")
    if mixtral:
        return experts, per_token, sizes.count("intermediate_size"), 0, 0
    step, plain = sizes.count("decoder_sparse_step"), sizes.get("mlp_only_layers")
    skipped = set(plain) if isinstance(plain, list | tuple) else set()
    sparse = sum((layer + 1) % step == 0 and layer not in skipped for layer in range(layers))
    shared = sizes.count("shared_expert_intermediate_size", least=0, instead=0)
    return experts, per_token, sizes.count("moe_intermediate_size"), shared, layers - sparse
