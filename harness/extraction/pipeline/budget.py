"""What a company's reading may cost: calls, or minutes by a time model; never more, whatever happens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.extraction.asks import Reply
from harness.extraction.pipeline.settings import Seconds, Settings

MOST_REPEATS = 2
"""A reader sends each request at most so often: once, and once more when the answer cannot be read."""


@dataclass(frozen=True, slots=True)
class Price:
    """What an ask costs at most when nothing is repeated: calls, and seconds (0 without a time model)."""

    calls: int
    seconds: float = 0.0


@dataclass(slots=True)
class Budget:
    """What is left of it. Reserved is what asks that are open may still cost, repeated ones included."""

    calls: float
    seconds: float
    _reserved: list[Price] = field(default_factory=list)

    def takes(self, price: Price) -> bool:
        """Whether it can pay for one more ask beside those that are open; if so it is reserved."""
        calls = sum(each.calls for each in self._reserved) + price.calls
        seconds = sum(each.seconds for each in self._reserved) + price.seconds
        if MOST_REPEATS * calls > self.calls or MOST_REPEATS * seconds > self.seconds:
            return False
        self._reserved.append(price)
        return True

    def pay(self, replies: Sequence[Reply], seconds: Seconds | None) -> None:
        """All open asks are answered: what they took is gone, the rest of what was reserved is free."""
        self._reserved.clear()
        for reply in replies:
            self.calls -= reply.calls
            if seconds is not None:
                self.seconds -= seconds_of(reply, seconds)


def seconds_of(reply: Reply, seconds: Seconds) -> float:
    """What a reply took by a time model: its calls at their mean length."""
    if not reply.calls:
        return 0.0
    prompt, completion = reply.prompt_tokens / reply.calls, reply.completion_tokens / reply.calls
    return reply.calls * seconds(round(prompt), round(completion))


def budget_of(settings: Settings, seconds: Seconds | None) -> Budget:
    """A full one; raises HarnessError for a budget in minutes without a time model."""
    if settings.budget_minutes is not None and seconds is None:
        raise HarnessError(
            "a budget in minutes needs a time model",
            where="pipeline settings",
            next_step="pass `seconds`, or set budget_calls",
        )
    calls = math.inf if settings.budget_calls is None else settings.budget_calls
    minutes = math.inf if settings.budget_minutes is None else settings.budget_minutes
    return Budget(calls, 60.0 * minutes)
