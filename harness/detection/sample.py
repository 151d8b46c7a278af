"""One answer to judge, as tokens; and what the model's inside says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt with its context, and a response that some model gave to it.

    `tokens` are prompt and response together, the first `prefix` of them the prompt; `context` is the range
    [start, end) of the prompt's tokens that the retrieved context is. `labels` say of each response token
    whether it is hallucinated. `group` is the source: samples of one group share their context and are never
    parted by a split. `chunks` are ranges [start, end) of response tokens, counted from the response's first.
    """

    id: str
    group: str
    task: str
    tokens: tuple[int, ...]
    prefix: int
    context: tuple[int, int]
    labels: tuple[bool, ...]
    chunks: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.prefix < len(self.tokens) or len(self.labels) != len(self.tokens) - self.prefix:
            raise ValueError(f"sample {self.id}: a prompt, a response, and a label for each of its tokens")
        start, end = self.context
        if not 0 <= start < end <= self.prefix:
            raise ValueError(f"sample {self.id}: the context is a range of the prompt's tokens")

    @property
    def response(self) -> int:
        """Tokens of the response."""
        return len(self.tokens) - self.prefix

    @property
    def is_hallucinated(self) -> bool:
        """Whether any token of the response is."""
        return any(self.labels)


@dataclass(frozen=True, slots=True)
class Scores:
    """What one forward pass says of one sample's response tokens, each at the position that predicts it.

    `external` [response, heads]: external context score of each head asked for, in [-1, 1]. `parametric`
    [response, layers]: parametric knowledge score of each layer, in nats.
    """

    external: Floats
    parametric: Floats
