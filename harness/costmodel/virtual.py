"""Requests of a caller who sees answers, on a virtual clock, though a simulation wants all arrivals at once.

Whenever an answer is asked for, everything that may still matter is simulated anew, with what was submitted
since. A scheduler is causal: an arrival changes nothing that was over before it, and no request arrives
before the latest time that a caller has seen. So what was handed out stays true.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.simulation.requests import EngineTotals, Requests, Served, requests_of
from harness.engines.protocol import FinishReason

Simulate = Callable[[Requests], Served]


@dataclass(slots=True, eq=False)
class Job:
    """One request on a timeline. Times are seconds on the clock of its period.

    `made` is set where the deadline came before the end: the tokens until then, and `cut_by` says what the
    deadline was. `first_token_s` and the two below it are what the last simulation found (`is_known`: there
    was one), NaN where it refused the request. `is_past`: its period is over, or it never came.
    """

    arrived_s: float
    prompt_tokens: int
    output_tokens: int
    prefix_group: int
    prefix_tokens: int
    ends: FinishReason
    deadline_s: float
    cut_by: FinishReason = "timeout"
    made: int | None = None
    first_token_s: float = math.nan
    completed_s: float = math.nan
    cached_tokens: int = 0
    is_known: bool = False
    is_past: bool = False

    @property
    def end_s(self) -> float:
        """When the caller gets the answer."""
        return self.completed_s if self.made is None else self.deadline_s

    @property
    def tokens(self) -> int:
        """Output tokens that the caller gets."""
        return self.output_tokens if self.made is None else self.made

    @property
    def computed_tokens(self) -> int:
        """Output tokens that the engine computes: the step under way at the deadline is done first."""
        return self.output_tokens if self.made is None else self.made + 1


class Timeline:
    """The virtual clock of one engine and the requests on it.

    `now_s` is the latest time that a caller has seen, on the clock of the current period; `total_s` counts
    from the start of the engine. A period ends when all its requests are over and another one comes: that
    one finds an empty engine and a clock at 0. With `remembers` (a prefix cache) there is one period only,
    so n requests, each sent after the answer before, are simulated n times: time grows as n squared.

    A request with a deadline ends there if it is not done; the engine is rid of it with the first token
    after the deadline, so that nothing before the deadline depends on it. A prompt is always computed.
    """

    def __init__(self, simulate: Simulate, *, remembers: bool) -> None:
        self.lock = threading.RLock()
        self.closed = False
        self.now_s = 0.0
        self._simulate = simulate
        self._remembers = remembers
        self._jobs: list[Job] = []
        self._is_settled = True
        self._before_s = 0.0
        self._last: tuple[float, Requests, Served] | None = None
        self._past: list[tuple[float, Requests, Served]] = []

    @property
    def total_s(self) -> float:
        """Virtual seconds since the engine started."""
        return self._before_s + self.now_s

    def arrive(
        self, prompt: int, output: int, prefix: tuple[int, int], ends: FinishReason, timeout_s: float
    ) -> Job:
        """A request arrives now; `prefix` is its group and the tokens it shares, `ends` how it will end."""
        self._begin_anew()
        job = Job(self.now_s, prompt, output, *prefix, ends, self.now_s + timeout_s)
        self._jobs.append(job)
        self._is_settled = False
        return job

    def stop(self, job: Job) -> None:
        """The request is cancelled now; one that was never simulated has never come."""
        if not job.is_known and job.made is None:
            self._jobs.remove(job)
            job.made, job.deadline_s, job.cut_by, job.is_past = 0, self.now_s, "cancelled", True
        elif not job.is_past and job.end_s > self.now_s:
            job.made, job.deadline_s, job.cut_by = None, self.now_s, "cancelled"
            self._is_settled = False

    def reach(self, job: Job, at_s: float) -> None:
        """A caller sees what the job had at `at_s`."""
        if not job.is_past:
            self.now_s = max(self.now_s, at_s)

    def settle(self) -> None:
        """Find out what becomes of every request, by what is known now."""
        jobs = self._jobs
        if self._is_settled or not jobs:
            return
        for job in jobs:
            if job.deadline_s > self.now_s:  # an earlier one was met in what callers have seen
                job.made = None
        requests, served = self._run()
        while (place := _first_late(jobs, served)) is not None:
            jobs[place].made = self._tokens_by_deadline(place, requests)
            requests, served = self._run()
        columns = (served.first_token_s, served.completed_s, served.cached_tokens)
        for job, *found in zip(jobs, *(column.tolist() for column in columns), strict=True):
            job.first_token_s, job.completed_s, job.cached_tokens = found
            job.is_known = True
        self._last = (self._before_s, requests, served)
        self._is_settled = True

    def so_far(self) -> list[tuple[float, Requests, Served]]:
        """(start, requests, what became of them) of every period; times count from its start."""
        self.settle()
        return self._past if self._last is None else [*self._past, self._last]

    def _begin_anew(self) -> None:
        over = self._is_settled and not any(job.completed_s > self.now_s for job in self._jobs)
        if self._remembers or not self._jobs or not over:
            return
        for job in self._jobs:
            job.is_past = True
        if self._last is not None:
            self._past.append(self._last)
        self._last, self._jobs = None, []
        self._before_s, self.now_s = self.total_s, 0.0

    def _run(self) -> tuple[Requests, Served]:
        jobs = self._jobs
        requests = requests_of(
            [job.arrived_s for job in jobs],
            [job.prompt_tokens for job in jobs],
            [job.computed_tokens for job in jobs],
            prefix_group=[job.prefix_group for job in jobs],
            prefix_tokens=[job.prefix_tokens for job in jobs],
        )
        return requests, self._simulate(requests)

    def _tokens_by_deadline(self, place: int, requests: Requests) -> int:
        """The k-th token comes when a request for k tokens is completed: search for the last one in time."""

        def completed_s(tokens: int) -> float:
            output = requests.output_tokens.copy()
            output[place] = tokens
            return float(self._simulate(replace(requests, output_tokens=output)).completed_s[place])

        job = self._jobs[place]
        return bisect_right(range(1, job.output_tokens), job.deadline_s, key=completed_s)


def _first_late(jobs: Sequence[Job], served: Served) -> int | None:
    """The job whose deadline is the first that comes before an end."""
    late = [
        (job.deadline_s, place)
        for place, (job, completed_s) in enumerate(zip(jobs, served.completed_s.tolist(), strict=True))
        if job.made is None and job.deadline_s < completed_s
    ]
    return min(late)[1] if late else None


def joined(periods: Sequence[tuple[float, Requests, Served]]) -> tuple[Requests, Served]:
    """Periods as (start, requests, what became of them) in one, on the clock of the first one's start."""

    def column(of: Callable[[Requests, Served], NDArray[Any]], *, is_time: bool = False) -> NDArray[Any]:
        return np.concatenate([of(r, s) + start_s if is_time else of(r, s) for start_s, r, s in periods])

    totals = [served.totals for _, _, served in periods]
    requests = Requests(
        arrived_s=column(lambda r, _: r.arrived_s, is_time=True),
        prompt_tokens=column(lambda r, _: r.prompt_tokens),
        output_tokens=column(lambda r, _: r.output_tokens),
        prefix_group=column(lambda r, _: r.prefix_group),
        prefix_tokens=column(lambda r, _: r.prefix_tokens),
    )
    return requests, Served(
        arrived_s=requests.arrived_s,
        first_token_s=column(lambda _, s: s.first_token_s, is_time=True),
        completed_s=column(lambda _, s: s.completed_s, is_time=True),
        restarts=column(lambda _, s: s.restarts),
        cached_tokens=column(lambda _, s: s.cached_tokens),
        totals=EngineTotals(
            steps=sum(each.steps for each in totals),
            busy_s=math.fsum(each.busy_s for each in totals),
            sequence_s=math.fsum(each.sequence_s for each in totals),
            block_s=math.fsum(each.block_s for each in totals),
            peak_blocks=max(each.peak_blocks for each in totals),
            blocks=totals[0].blocks,
            computed_tokens=sum(each.computed_tokens for each in totals),
            padding_tokens=sum(each.padding_tokens for each in totals),
        ),
    )
