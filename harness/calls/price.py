"""What calls cost: by tokens, by the hour, or both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars. Cached prompt tokens cost what prompt tokens cost where `usd_per_million_cached` is None.

    `usd_per_hour` is paid for the time in which at least one call is open.
    """

    usd_per_million_input: float = 0.0
    usd_per_million_output: float = 0.0
    usd_per_million_cached: float | None = None
    usd_per_hour: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not (value >= 0.0 and math.isfinite(value)):
                raise HarnessError(f"{name} is {value}", where="price", allowed="0 and more")

    def of_tokens(self, prompt: int, completion: int, cached: int = 0) -> float:
        """US dollars of so many tokens, `cached` of the prompt's."""
        each = self.usd_per_million_input
        cached_each = each if self.usd_per_million_cached is None else self.usd_per_million_cached
        millionths = (
            (prompt - cached) * each + cached * cached_each + completion * self.usd_per_million_output
        )
        return millionths / 1e6

    def of_time(self, seconds: float) -> float:
        """US dollars of so many seconds."""
        return seconds * self.usd_per_hour / 3600.0


FREE = Price()
