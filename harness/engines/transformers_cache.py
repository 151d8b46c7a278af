"""A key-value cache of independent rows for transformers models. Imports torch: import it lazily.

Every row has a length of its own, unlike in the library's caches, so requests can come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

_FIRST_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Place:
    """Where one forward pass writes: rows [first, first + k), `positions` [k, tokens], read up to `length`.

    `is_fresh`: the rows are empty, so the pass sees its own keys only.
    """

    first: int
    positions: torch.Tensor
    length: int
    is_fresh: bool


class RowLayer(CacheLayerMixin):  # type: ignore[misc]  # the base has no types here
    """Keys and values of one layer: [rows, positions, kv heads, head width]; the last position is scrap."""

    def __init__(self, rows: int, length: int) -> None:
        super().__init__()
        self._rows = rows
        self._length = length
        self.place: Place | None = None

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate, as wide as what comes in."""
        self.keys, self.values = self._empty(key_states), self._empty(value_states)
        self.is_initialized = True

    def _empty(self, states: torch.Tensor) -> torch.Tensor:
        # Zeros, not garbage: what is masked still takes part in a product, and NaN times zero is NaN.
        return states.new_zeros(self._rows, self._length + 1, states.shape[1], states.shape[3])

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write [k, heads, tokens, width] at `place`; give back what the pass attends to, laid out alike."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self.place
        assert place is not None
        rows = slice(place.first, place.first + key_states.shape[0])
        each = torch.arange(key_states.shape[0], device=key_states.device)[:, None]
        self.keys[rows][each, place.positions] = key_states.transpose(1, 2)
        self.values[rows][each, place.positions] = value_states.transpose(1, 2)
        if place.is_fresh:
            return key_states, value_states
        seen = self.keys[rows, : place.length], self.values[rows, : place.length]
        return seen[0].transpose(1, 2), seen[1].transpose(1, 2)

    def grow(self, length: int) -> None:
        """Make room for so many positions."""
        before, self._length = self._length, length
        if self.is_initialized:
            for name in ("keys", "values"):
                old = getattr(self, name)
                new = old.new_zeros(old.shape[0], length + 1, *old.shape[2:])
                new[:, :before] = old[:, :before]
                setattr(self, name, new)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1


class RowCache(Cache):  # type: ignore[misc]  # the base has no types here
    """`rows` rows of at most `longest` positions; grows by doubling unless it is `static`."""

    def __init__(self, layers: int, rows: int, longest: int, static: bool) -> None:
        self._longest = longest
        self.length = longest if static else min(_FIRST_LENGTH, longest)
        super().__init__(layers=[RowLayer(rows, self.length) for _ in range(layers)])

    def aim(self, place: Place) -> None:
        """Say where the next forward pass writes, and grow if need be. Positions beyond a row go to scrap."""
        while self.length < place.length:
            self.length = min(2 * self.length, self._longest)
            for layer in self.layers:
                layer.grow(self.length)
        place.positions.clamp_(max=self.length)
        for layer in self.layers:
            layer.place = place

    def move(self, source: int, target: int, tokens: int) -> None:
        """Let the target row hold what the source row holds."""
        for layer in self.layers:
            layer.keys[target, :tokens] = layer.keys[source, :tokens]
            layer.values[target, :tokens] = layer.values[source, :tokens]

    def copy_out(self, row: int, tokens: int) -> torch.Tensor:
        """The row's first keys and values: [layers, 2, tokens, kv heads, width]."""
        pairs = [torch.stack((layer.keys[row, :tokens], layer.values[row, :tokens])) for layer in self.layers]
        return torch.stack(pairs)

    def copy_in(self, row: int, states: torch.Tensor) -> None:
        """Put back what `copy_out` gave."""
        for layer, (keys, values) in zip(self.layers, states, strict=True):
            if not layer.is_initialized:
                layer.lazy_initialization(keys.transpose(0, 1)[None], values.transpose(0, 1)[None])
            layer.keys[row, : len(keys)] = keys
            layer.values[row, : len(values)] = values


def visible(starts: Sequence[int], tokens: int, length: int, device: str) -> torch.Tensor:
    """Which keys each query sees: [rows, 1, tokens, length], True up to its own position."""
    first = torch.tensor(starts, device=device)[:, None, None]
    queries = first + torch.arange(tokens, device=device)[None, :, None]
    return (torch.arange(length, device=device)[None, None, :] <= queries)[:, None]


def additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The same mask as eager attention wants it: 0 where True, the lowest number elsewhere."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(
        ~mask, torch.finfo(dtype).min
    )
