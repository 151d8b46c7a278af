"""Step times that need no hardware model, and the leap over many decode-only steps at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.load import StepLoad, StepTime
from harness.errors import HarnessError

Leap = Callable[[int, int, int, float], tuple[int, float]]
"""(sequences, context_tokens, most_steps, until_s) -> (steps, seconds); see `AffineStepTime.leap`."""

_VECTOR = 512


@dataclass(frozen=True, slots=True)
class AffineStepTime:
    """constant + per token in the batch + per token of the decoding sequences' context, all in seconds.

    HarnessError for a coefficient that is negative, NaN or infinite.
    """

    constant_s: float
    per_token_s: float = 0.0
    per_decode_context_token_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("constant_s", "per_token_s", "per_decode_context_token_s"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise HarnessError(f"{name} is {getattr(self, name)}", where="step time", allowed="from 0")

    def seconds(self, load: StepLoad) -> float:
        """Time of one step in seconds."""
        tokens = load.prefill_tokens + load.decode_sequences
        context_s = self.per_decode_context_token_s * load.decode_context_tokens
        return self.constant_s + self.per_token_s * tokens + context_s

    def decode_seconds(self, sequences: int, context_tokens: int, steps: int) -> NDArray[np.float64]:
        """Times of `steps` successive decode-only steps, shape [steps]."""
        first_s = self.constant_s + self.per_token_s * sequences
        context = context_tokens + sequences * np.arange(steps, dtype=np.float64)
        return first_s + self.per_decode_context_token_s * context

    def leap(self, sequences: int, context_tokens: int, most_steps: int, until_s: float) -> tuple[int, float]:
        """The fewest decode-only steps that take `until_s` or longer, at most `most_steps`, and their time.

        Step j of k takes first + j * growth, so k of them take k * first + growth * k * (k - 1) / 2: the
        root of a quadratic, in closed form, instead of a sum.
        """
        slope = self.per_decode_context_token_s
        first_s = self.constant_s + self.per_token_s * sequences + slope * context_tokens
        half = 0.5 * slope * sequences
        elapsed = most_steps * (first_s + half * (most_steps - 1))
        if elapsed < until_s or most_steps == 1:
            return most_steps, elapsed
        linear = first_s - half
        steps = math.ceil(2.0 * until_s / (linear + math.sqrt(linear * linear + 4.0 * half * until_s)))
        steps = min(max(steps, 1), most_steps)
        # The root is right to the last bit but one; the count of steps must be right.
        while steps > 1 and (steps - 1) * (first_s + half * (steps - 2)) >= until_s:
            steps -= 1
        while (elapsed := steps * (first_s + half * (steps - 1))) < until_s and steps < most_steps:
            steps += 1
        return steps, elapsed


def leap_of(step_time: StepTime) -> Leap:
    """The closed form where the step time has one, else one vectorized call of `decode_seconds`."""
    if isinstance(step_time, AffineStepTime):
        return step_time.leap

    def leap(sequences: int, context_tokens: int, most_steps: int, until_s: float) -> tuple[int, float]:
        times = step_time.decode_seconds(sequences, context_tokens, min(most_steps, _VECTOR))
        ends = np.cumsum(times)
        steps = min(int(np.searchsorted(ends, until_s)) + 1, len(ends))
        return steps, float(ends[steps - 1])

    return leap
