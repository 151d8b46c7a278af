"""The virtual clock of a continuously batching engine, and what is summed up along it."""

from __future__ import annotations

import math

from harness.costmodel.simulation.requests import EngineTotals
from harness.errors import HarnessError


class VirtualClock:
    """Time in seconds, steps done, and the sums that `EngineTotals` describes."""

    __slots__ = ("_block_s", "_busy_s", "_computed", "_peak", "_sequence_s", "now_s", "steps")

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps = 0
        self._busy_s = 0.0
        self._sequence_s = 0.0
        self._block_s = 0.0
        self._computed = 0
        self._peak = 0

    def advance(
        self, steps: int, seconds: float, sequences: int, tokens: int, used_first: int, used_last: int
    ) -> None:
        """Steps of one batch pass in `seconds`; `used_*` are the blocks taken in the first and the last."""
        if not 0.0 <= seconds < math.inf:
            raise HarnessError(f"{steps} steps take {seconds} s", where="step time", allowed="finite, from 0")
        self.now_s += seconds
        self.steps += steps
        self._busy_s += seconds
        self._sequence_s += seconds * sequences
        self._block_s += seconds * 0.5 * (used_first + used_last)
        self._computed += tokens
        if used_last > self._peak:
            self._peak = used_last

    def totals(self, blocks: int) -> EngineTotals:
        """The sums so far, of an engine with `blocks` blocks."""
        return EngineTotals(
            steps=self.steps,
            busy_s=self._busy_s,
            sequence_s=self._sequence_s,
            block_s=self._block_s,
            peak_blocks=self._peak,
            blocks=blocks,
            computed_tokens=self._computed,
            padding_tokens=0,
        )
