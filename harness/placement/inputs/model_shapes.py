"""What a decoder layer consists of, for models known by name and for those that a config describes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.placement.problem import Config


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A decoder-only transformer with a gated MLP and heads of `d_model / heads`; widths in elements."""

    layers: int
    d_model: int
    d_hidden: int
    heads: int
    key_value_heads: int
    vocabulary: int

    @property
    def head_width(self) -> int:
        """Elements of one head."""
        return self.d_model // self.heads

    def key_value_width(self, tp: int) -> int:
        """Elements of a token's keys in one layer, and of its values, on each of `tp` GPUs.

        Heads are shared out whole; GPUs beyond their number hold copies.
        """
        return math.ceil(self.key_value_heads / tp) * self.head_width

    def layer_parameters(self, tp: int = 1) -> float:
        """Weights of one layer on each of `tp` GPUs: q and o D^2, k and v D*width each, MLP 3*D*d_hidden."""
        split = 2.0 * self.d_model**2 + 3.0 * self.d_model * self.d_hidden
        return split / tp + 2.0 * self.d_model * self.key_value_width(tp)


# From the configuration files (config.json) that their makers published with the weights.
KNOWN_MODELS: dict[str, ModelShape] = {
    "llama-7b": ModelShape(32, 4096, 11008, 32, 32, 32000),
    "llama-13b": ModelShape(40, 5120, 13824, 40, 40, 32000),
    "llama-70b": ModelShape(80, 8192, 28672, 64, 8, 32000),
    "llama-3-8b": ModelShape(32, 4096, 14336, 32, 8, 128256),
    "llama-3-70b": ModelShape(80, 8192, 28672, 64, 8, 128256),
    "mistral-7b": ModelShape(32, 4096, 14336, 32, 8, 32000),
    "qwen2.5-7b": ModelShape(28, 3584, 18944, 28, 4, 152064),
    "qwen2.5-72b": ModelShape(80, 8192, 29568, 64, 8, 152064),
}


def real_shape(config: Config) -> ModelShape:
    """The shape of the model named in the config; of one that is not known, what the config says.

    `num_key_value_heads` counts in either case, unless it is 0. HarnessError as `config_shape`.
    """
    known = KNOWN_MODELS.get(config.model_name.lower())
    if known is None:
        return config_shape(config)
    return _valid(
        ModelShape(
            known.layers,
            known.d_model,
            known.d_hidden,
            known.heads,
            config.num_key_value_heads or known.key_value_heads,
            known.vocabulary,
        )
    )


def config_shape(config: Config) -> ModelShape:
    """The shape that the config's keys describe; as many key/value heads as heads where they are 0.

    HarnessError where `d_hidden` or `num_attention_heads` is missing, or heads do not share out.
    """
    for key in ("d_hidden", "num_attention_heads"):
        if not getattr(config, key):
            raise HarnessError(
                f"parameter {key!r} is missing, and model {config.model_name!r} is not known",
                where="config.csv",
                next_step=f"add {key}, or name one of {', '.join(KNOWN_MODELS)}",
            )
    return _valid(
        ModelShape(
            config.num_decoder_layers,
            config.d_model,
            config.d_hidden,
            config.num_attention_heads,
            config.num_key_value_heads or config.num_attention_heads,
            config.vocab_size,
        )
    )


def _valid(shape: ModelShape) -> ModelShape:
    for key, value, divides, whole in (
        ("num_attention_heads", shape.heads, "d_model", shape.d_model),
        ("num_key_value_heads", shape.key_value_heads, "num_attention_heads", shape.heads),
    ):
        if whole % value:
            raise HarnessError(
                f"{key} is {value}", where="config.csv", allowed=f"a divisor of {divides} = {whole}"
            )
    return shape
