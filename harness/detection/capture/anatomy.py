"""The parts of a loaded transformers model that scoring reads; other architectures are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")

Head = tuple[int, int]
"""A layer and one of its heads, both from 0."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A causal language model's parts, and the sizes that scoring needs.

    `body` is the model without its output matrix, `layers` its decoder layers in order, `norm` the final
    norm. `group` is the number of query heads that share one key head.
    """

    model: Any
    body: Any
    layers: tuple[Any, ...]
    norm: Any
    heads: int
    group: int
    hidden: int
    vocabulary: int

    def unembed(self, states: Any) -> Any:
        """Logits in float32 of normed states [..., hidden]."""
        return self.model.lm_head(states).float()


def anatomy_of(model: Any) -> Anatomy:
    """The parts of a Llama, Mistral, Qwen2 or Qwen3 causal LM; raises HarnessError for anything else."""
    config = model.config
    if config.model_type not in ARCHITECTURES:
        raise HarnessError(
            f"scores are not defined for the architecture {config.model_type!r}",
            allowed=", ".join(ARCHITECTURES),
            next_step="its residual stream and attention would have to be described first",
        )
    return Anatomy(
        model=model,
        body=model.model,
        layers=tuple(model.model.layers),
        norm=model.model.norm,
        heads=config.num_attention_heads,
        group=config.num_attention_heads // config.num_key_value_heads,
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
    )


def require_heads(anatomy: Anatomy, heads: Sequence[Head], layers: Sequence[int]) -> None:
    """HarnessError where a head or a layer is not in the model."""
    depth = len(anatomy.layers)
    wrong = [head for head in heads if not (0 <= head[0] < depth and 0 <= head[1] < anatomy.heads)]
    absent = [layer for layer in layers if not 0 <= layer < depth]
    if wrong or absent:
        raise HarnessError(
            f"the model has no {f'head {wrong[0]}' if wrong else f'layer {absent[0]}'}",
            allowed=f"layers 0 to {depth - 1}, heads 0 to {anatomy.heads - 1}",
        )


def longest_of(anatomy: Anatomy) -> int:
    """Tokens that a pass may have: the model's window, or a layer's sliding window where that is shorter.

    The captured rows are of full causal attention; up to the sliding window both are the same.
    """
    return min([_window(anatomy), *_sliding_windows(anatomy)])


def require_length(anatomy: Anatomy, longest: int) -> None:
    """HarnessError where a sample is longer than `longest_of`."""
    if longest > _window(anatomy):
        raise HarnessError(
            f"a sample has {longest:,} tokens",
            allowed=f"at most {_window(anatomy):,}, the model's window",
            next_step="leave it out or shorten its context",
        )
    windows = _sliding_windows(anatomy)
    if windows and longest > min(windows):
        raise HarnessError(
            f"a sample of {longest:,} tokens is longer than the sliding window of the attention, and the "
            "positions outside of it have no attention to rank",
            allowed=f"at most {min(windows):,} tokens",
            next_step="leave it out or shorten its context",
        )


def _window(anatomy: Anatomy) -> int:
    return int(anatomy.model.config.max_position_embeddings)


def _sliding_windows(anatomy: Anatomy) -> list[int]:
    config = anatomy.model.config
    return [
        int(window)
        for layer in anatomy.layers
        if (window := getattr(layer.self_attn, "sliding_window", None) or _window_of_all(config))
    ]


def _window_of_all(config: Any) -> int | None:
    """Mistral's window holds for every layer and is not kept in them."""
    window: int | None = config.sliding_window if config.model_type == "mistral" else None
    return window
