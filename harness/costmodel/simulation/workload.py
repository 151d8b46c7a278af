"""Loads: when requests come. Open loops, Poisson or recorded, and closed loops of threads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from harness.costmodel.simulation.requests import Floats, Requests, requests_of
from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """`threads` clients that each send the next request of the list when their last one is answered.

    `think_s` passes between an answer and the next request. HarnessError for no thread or a negative time.
    """

    threads: int
    think_s: float = 0.0

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise HarnessError(f"{self.threads} threads", where="closed loop", allowed="from 1")
        if not 0.0 <= self.think_s < math.inf:
            raise HarnessError(f"think time is {self.think_s} s", where="closed loop", allowed="from 0")


class Arrivals:
    """When each request comes: known from the start, or once an answer lets a thread go on.

    `view` has one more entry than requests, infinite, and is infinite for what is not sent yet.
    """

    __slots__ = ("_count", "_sent", "_think_s", "arrived_s", "view")

    def __init__(self, requests: Requests, closed: ClosedLoop | None) -> None:
        self._count = len(requests)
        self._sent = self._count if closed is None else min(closed.threads, self._count)
        self._think_s = 0.0 if closed is None else closed.think_s
        column = np.append(requests.arrived_s, math.inf)
        if closed is not None:
            column[: self._sent], column[self._sent :] = 0.0, math.inf
        self.arrived_s: Floats = column[:-1]
        self.view = cast("memoryview[float]", column.data)

    def answered(self, now_s: float) -> None:
        """A request left the engine at `now_s`."""
        if self._sent < self._count:
            self.view[self._sent] = now_s + self._think_s
            self._sent += 1


def poisson_arrivals(rate_per_s: float, count: int, seed: int) -> Floats:
    """Arrival times of a Poisson process from 0, shape [count]: sums of exponential gaps.

    HarnessError for a rate that is not positive or no request.
    """
    if not 0.0 < rate_per_s < math.inf:
        raise HarnessError(f"the rate is {rate_per_s} requests/s", where="Poisson load", allowed="above 0")
    if count < 1:
        raise HarnessError(f"{count} requests", where="Poisson load", allowed="from 1")
    return np.cumsum(np.random.default_rng(seed).exponential(1.0 / rate_per_s, count))


def poisson_requests(
    rate_per_s: float, prompt_tokens: ArrayLike, output_tokens: ArrayLike, count: int, seed: int
) -> Requests:
    """`count` requests of the given sizes (scalars or [count]) that come as a Poisson process."""
    return requests_of(poisson_arrivals(rate_per_s, count, seed), prompt_tokens, output_tokens)
