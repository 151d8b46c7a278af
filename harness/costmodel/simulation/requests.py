"""Requests as columns, and what became of them: a few numbers each, so that long traces stay small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import HarnessError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_GROUP = -1
"""The prefix group of a request that shares no prefix."""

_MOST_TOKENS = 1 << 40


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """What is asked of an engine, one row for each request, every column of shape [n].

    `arrived_s` ascends from 0 or later; a closed loop ignores it. `output_tokens` counts the first token
    too. Requests of one `prefix_group` begin with the same tokens, each with its own `prefix_tokens` of
    them (0 with group -1), so that the shorter prefix begins the longer one.
    """

    arrived_s: Floats
    prompt_tokens: Ints
    output_tokens: Ints
    prefix_group: Ints
    prefix_tokens: Ints

    def __len__(self) -> int:
        return len(self.arrived_s)

    def rows(self, chosen: NDArray[np.intp]) -> Requests:
        """The chosen rows, in the order given."""
        return Requests(
            self.arrived_s[chosen],
            self.prompt_tokens[chosen],
            self.output_tokens[chosen],
            self.prefix_group[chosen],
            self.prefix_tokens[chosen],
        )


def requests_of(
    arrived_s: ArrayLike,
    prompt_tokens: ArrayLike,
    output_tokens: ArrayLike,
    *,
    prefix_group: ArrayLike | None = None,
    prefix_tokens: ArrayLike | None = None,
    where: str = "requests",
) -> Requests:
    """Checked columns of requests; scalars are repeated to the longest column.

    HarnessError names the first bad row: NaN, infinite, negative or descending arrivals, token counts that
    are not whole numbers from 1, a shared prefix longer than the prompt.
    """
    arrived = np.asarray(arrived_s, dtype=np.float64).reshape(-1)
    columns = (arrived_s, prompt_tokens, output_tokens, prefix_group, prefix_tokens)
    lengths = {np.size(column) for column in columns if column is not None} - {1}
    if len(lengths) > 1:
        raise HarnessError(
            f"has columns of {', '.join(map(str, sorted(lengths)))} rows", where=where, allowed="one length"
        )
    shape = (lengths.pop() if lengths else 1,)
    if not shape[0]:
        raise HarnessError("there is no request", where=where, allowed="columns of one length, from 1")
    arrived = np.ascontiguousarray(np.broadcast_to(arrived, shape))
    _refuse(~np.isfinite(arrived) | (arrived < 0.0), "arrives at", arrived, where, "seconds from 0")
    earlier = np.append(False, np.diff(arrived) < 0.0)
    _refuse(earlier, "arrives before the row above it, at", arrived, where, "arrivals in ascending order")
    prompt = _tokens(prompt_tokens, shape, 1, "prompt tokens", where)
    output = _tokens(output_tokens, shape, 1, "output tokens", where)
    group = _tokens(
        NO_GROUP if prefix_group is None else prefix_group, shape, NO_GROUP, "prefix group", where
    )
    prefix = _tokens(0 if prefix_tokens is None else prefix_tokens, shape, 0, "shared prefix tokens", where)
    _refuse(
        prefix > prompt, "has a prompt shorter than its shared prefix of", prefix, where, "0 to the prompt"
    )
    return Requests(arrived, prompt, output, group, np.where(group == NO_GROUP, 0, prefix))


def _tokens(values: ArrayLike, shape: tuple[int, ...], least: int, name: str, where: str) -> Ints:
    given = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
    with np.errstate(invalid="ignore"):
        wrong = ~np.isfinite(given) | (given != np.floor(given)) | (given < least) | (given > _MOST_TOKENS)
    _refuse(wrong, f"has as {name}", given, where, f"whole numbers from {least}")
    return np.ascontiguousarray(given, dtype=np.int64)


def _refuse(
    wrong: NDArray[np.bool_], what: str, values: NDArray[np.generic], where: str, allowed: str
) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        more = int(np.count_nonzero(wrong)) - 1
        tail = f", and {more:,} more rows" if more else ""
        raise HarnessError(f"row {row} {what} {values[row]}{tail}", where=where, allowed=allowed)


@dataclass(frozen=True, slots=True)
class EngineTotals:
    """What an engine did in a whole run.

    `busy_s` sums the steps. `sequence_s` and `block_s` integrate, over the busy time, the sequences of the
    step and the KV blocks that are taken; between the ends of a leap over decode-only steps the blocks are
    counted as growing evenly. `computed_tokens` counts every token computed: recomputed ones and padding
    too; `padding_tokens` are those that nobody asked for. `blocks` is 0 for an engine without KV blocks.
    """

    steps: int
    busy_s: float
    sequence_s: float
    block_s: float
    peak_blocks: int
    blocks: int
    computed_tokens: int
    padding_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What became of each request, every column of shape [n], and of the engine.

    Times are seconds from the start of the virtual clock. A refused request, one that can never fit, has
    NaN as `completed_s`. `cached_tokens` counts prompt tokens that the prefix cache saved, over all
    admissions; `restarts` how often the request lost its blocks and was computed again.
    """

    arrived_s: Floats
    first_token_s: Floats
    completed_s: Floats
    restarts: Ints
    cached_tokens: Ints
    totals: EngineTotals

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which requests got no answer, shape [n]."""
        return np.isnan(self.completed_s)
