"""What one engine step computes, and the one question the rest asks: how long does it take?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StepLoad:
    """What one engine step computes, summed over its sequences.

    `prefill_pairs` counts (query, key) pairs of causal attention, summed over chunks:
    new * context_before + new * (new + 1) / 2. `prefill_context_tokens` is the KV tokens that the chunks
    read, context_before + new each. `decode_context_tokens` sums, over decoding sequences, the tokens in
    the KV cache, the new one included. All are whole numbers from 0.
    """

    prefill_tokens: int
    prefill_pairs: int
    prefill_context_tokens: int
    prefill_sequences: int
    decode_sequences: int
    decode_context_tokens: int

    @property
    def tokens(self) -> int:
        """Rows of every projection: new prompt tokens and one token of each decoding sequence."""
        return self.prefill_tokens + self.decode_sequences

    @property
    def sequences(self) -> int:
        """Sequences that may sample a token, so rows of the LM head."""
        return self.prefill_sequences + self.decode_sequences

    def with_chunk(self, new: int, context_before: int = 0) -> StepLoad:
        """This load and one more prompt chunk of `new` tokens after `context_before` cached ones."""
        return StepLoad(
            prefill_tokens=self.prefill_tokens + new,
            prefill_pairs=self.prefill_pairs + new * context_before + new * (new + 1) // 2,
            prefill_context_tokens=self.prefill_context_tokens + context_before + new,
            prefill_sequences=self.prefill_sequences + 1,
            decode_sequences=self.decode_sequences,
            decode_context_tokens=self.decode_context_tokens,
        )


def prefill_load(prompt_tokens: int, sequences: int = 1, context_before: int = 0) -> StepLoad:
    """`sequences` chunks of `prompt_tokens` new tokens, each after `context_before` cached ones."""
    return StepLoad(
        prefill_tokens=prompt_tokens * sequences,
        prefill_pairs=(prompt_tokens * context_before + prompt_tokens * (prompt_tokens + 1) // 2) * sequences,
        prefill_context_tokens=(prompt_tokens + context_before) * sequences,
        prefill_sequences=sequences,
        decode_sequences=0,
        decode_context_tokens=0,
    )


def decode_load(sequences: int, context_tokens: int) -> StepLoad:
    """`sequences` that decode one token each; `context_tokens` is summed over them."""
    return StepLoad(0, 0, 0, 0, sequences, context_tokens)


class StepTime(Protocol):
    """How long an engine step takes."""

    def seconds(self, load: StepLoad) -> float:
        """Time of one step in seconds."""
        ...

    def decode_seconds(self, sequences: int, context_tokens: int, steps: int) -> NDArray[np.float64]:
        """Times of `steps` successive decode-only steps; context_tokens grows by `sequences` every step."""
        ...
