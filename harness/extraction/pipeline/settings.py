"""How our pipeline reads: its budget, the sizes of what it shows and asks, and what it assumes of readers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

from harness.errors import HarnessError

Seconds = Callable[[int, int], float]
"""Time model: seconds of a call of so many prompt and completion tokens."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The chance that a reader finds a value that is in its prompt, as the planner assumes it.

    It is `at_best` for one field in a short prompt and falls by the factors exp(-per_field) with each further
    field and exp(-per_1000_tokens) with each 1,000 tokens of text.
    """

    at_best: float = 0.97
    per_field: float = 0.006
    per_1000_tokens: float = 0.02

    def chance(self, fields: int, tokens: int) -> float:
        """For one of `fields` asked for in `tokens` of text."""
        lost = self.per_field * max(0, fields - 1) + self.per_1000_tokens * tokens / 1000.0
        return self.at_best * math.exp(-lost)


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
    at once, `piece_tokens` the grain in which text is chosen. Reading ends when the next call is expected to
    bring fewer than `least_gain` values. `wave_calls` are planned before the first of them is answered.
    `detection_calls` is the most that are spent on naming the facilities. What was found is looked for again
    with the weight `confirm`, and in later amendments as if a share `superseded` had another value there.
    Not `adaptive`: every window is asked for every bundle, whatever was found.
    """

    budget_calls: int | None = 60
    budget_minutes: float | None = None
    window_tokens: int = 6000
    bundle_fields: int = 24
    piece_tokens: int = 300
    overlap_tokens: int = 300
    least_gain: float = 0.3
    wave_calls: int = 12
    detection_calls: int = 2
    confirm: float = 0.1
    superseded: float = 0.15
    adaptive: bool = True
    hits: Hits = Hits()
    prior: Prior = Prior()

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise HarnessError(f"{name} is {value}", where="pipeline settings", allowed=f"{least} and more")
        for part, name in ((self.hits, "at_best"), (self.prior, "present"), (self.prior, "anywhere")):
            if not 0.0 <= getattr(part, name) <= 1.0:
                raise HarnessError(f"{name} is {getattr(part, name)}", where="pipeline settings", allowed="0 to 1")


_LEAST = {
    "budget_calls": 0,
    "budget_minutes": 0,
    "window_tokens": 1,
    "bundle_fields": 1,
    "piece_tokens": 1,
    "overlap_tokens": 0,
    "least_gain": 0,
    "wave_calls": 1,
    "detection_calls": 1,
    "confirm": 0,
    "superseded": 0,
}
assert set(_LEAST) <= {each.name for each in fields(Settings)}
