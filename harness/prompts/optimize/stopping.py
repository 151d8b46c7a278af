"""When an optimization stops. Pure: every rule but `seconds` says the same again in a resumed run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError

StopReason = Literal["perfect", "budget", "plateau", "reflection", "calls", "cost", "deadline"]

SAME_SCORE = 1e-9
"""Validation scores closer than this are equal: sums of the same F1 in another order differ by rounding."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The rules beside the budget of metric calls; None switches one off.

    `perfect`: a validation score that leaves nothing to gain. `plateau`: so many proposals without a better
    validation score. `unusable`: so many replies of the reflection model in a row of which none is an
    instruction. `calls`: LM calls of both roles, those answered from a journal or cache included. `usd`: what
    all calls cost, those included too. `seconds`: wall time of this process; a run that is resumed with more
    time goes on where this rule stopped it.
    """

    perfect: float | None = 1.0
    plateau: int | None = 30
    unusable: int | None = 20
    calls: int | None = None
    usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("plateau", "unusable", "calls", "usd", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise HarnessError(f"{name} = {value}", where="stopping", allowed="more than 0, or none")


DEFAULT_STOPPING = Stopping()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands between two iterations."""

    metric_calls: int
    best: float
    proposals_since_best: int
    unusable_in_a_row: int
    calls: int
    usd: float
    seconds: float


def reason_to_stop(standing: Standing, stopping: Stopping, metric_calls: int) -> StopReason | None:
    """The first rule that holds, None where the run goes on; `metric_calls` is the budget."""
    rules: tuple[tuple[StopReason, float, float | None], ...] = (
        ("perfect", standing.best + SAME_SCORE, stopping.perfect),
        ("budget", standing.metric_calls, metric_calls),
        ("plateau", standing.proposals_since_best, stopping.plateau),
        ("reflection", standing.unusable_in_a_row, stopping.unusable),
        ("calls", standing.calls, stopping.calls),
        ("cost", standing.usd, stopping.usd),
        ("deadline", standing.seconds, stopping.seconds),
    )
    return next((why for why, value, limit in rules if limit is not None and value >= limit), None)
