"""How our pipeline reads: its budget, the sizes of what it shows and asks, and what it assumes of readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError

Floats = NDArray[np.float64]
Seconds = Callable[[int, int], float]
"""Time model: seconds of a call of so many prompt and completion tokens."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The chance that a reader finds a value that is in its prompt, as the planner assumes it.

    The log-odds of missing it are `base` for one value in 256 tokens of text, and grow with each doubling of
    the values asked for and of the text. Fit them to a reader by `reading.noise_fit`, whose curve of misses
    has these terms; the defaults are its assumed one's, in the middle of a text with a distractor.
    """

    base: float = -3.2
    per_value_doubling: float = 0.25
    per_text_doubling: float = 0.2

    def chance(self, values: Floats, tokens: Floats) -> Floats:
        """For one of so many values asked for in so much text; arrays of one shape, or that broadcast."""
        odds = self.base + self.per_value_doubling * np.log2(np.maximum(values, 1.0))
        odds = odds + self.per_text_doubling * np.log2(np.maximum(tokens, 64.0) / 256.0)
        found: Floats = 1.0 / (1.0 + np.exp(odds))
        return found


@dataclass(frozen=True, slots=True)
class Prior:
    """Where a field's value is before anything was read.

    A field is there at all with probability `present`. Of that, `anywhere` is spread over the text evenly by
    tokens, the rest over the pieces in proportion to their BM25 score to the power of `sharpness`.
    """

    present: float = 0.6
    anywhere: float = 0.25
    sharpness: float = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All there is to set.

    `budget_calls` and `budget_minutes` (by a time model) bound a company's calls with those that repeat one;
    None: unbounded. `window_tokens` is the most text shown at once, `bundle_fields` the most fields asked for
    at once, `piece_tokens` the grain in which text is chosen, `overlap_tokens` what neighbouring windows
    share. Facilities are named by `detection_calls` calls that show `detection_tokens` each, and by as many
    again as long as none is found.

    Reading ends when the next call is expected to bring fewer than `least_gain` values; a field is asked for
    only where `least_share` of each value that it asks for is expected. `wave_calls` are planned before the
    first of them is answered. A doubtful value is looked at again as if to settle it were worth `confirm` of
    a missing one, and looked for in later amendments as if a share `superseded` had another value there. One
    whose raw score stays under `least_raw` is not taken. Not `adaptive`: every window is asked for every
    bundle, whatever was found.
    """

    budget_calls: int | None = 60
    budget_minutes: float | None = None
    window_tokens: int = 6000
    bundle_fields: int = 72
    piece_tokens: int = 300
    overlap_tokens: int = 300
    least_gain: float = 0.3
    least_share: float = 0.01
    wave_calls: int = 12
    detection_calls: int = 3
    detection_tokens: int = 3000
    confirm: float = 0.3
    least_raw: float = 0.2
    superseded: float = 0.15
    adaptive: bool = True
    hits: Hits = Hits()
    prior: Prior = Prior()

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise HarnessError(
                    f"{name} is {value}", where="pipeline settings", allowed=f"{least} and more"
                )
        for part, name in ((self.prior, "present"), (self.prior, "anywhere")):
            if not 0.0 <= getattr(part, name) <= 1.0:
                raise HarnessError(
                    f"{name} is {getattr(part, name)}", where="pipeline settings", allowed="0 to 1"
                )


_LEAST = {
    "budget_calls": 0,
    "budget_minutes": 0,
    "window_tokens": 1,
    "bundle_fields": 1,
    "piece_tokens": 1,
    "overlap_tokens": 0,
    "least_gain": 0,
    "least_share": 0,
    "wave_calls": 1,
    "detection_calls": 1,
    "detection_tokens": 1,
    "confirm": 0,
    "least_raw": 0,
    "superseded": 0,
}
assert set(_LEAST) <= {each.name for each in fields(Settings)}
