"""The caller's side of a virtual clock: tickets for which time passes when they are asked."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.costmodel.virtual import Job, Timeline
from harness.engines.protocol import Completion, EngineFailure, Piece, Ticket, Timings
from harness.errors import HarnessError


@dataclass(slots=True, eq=False)
class ModelledTicket(Ticket):
    """A request on a timeline. No wall clock is read, and nothing happens before an answer is asked for.

    The first piece comes at the first token's time. The simulation does not tell the times of the others:
    they are spread evenly from the last one handed out to the end.
    """

    timeline: Timeline = field(kw_only=True)
    job: Job = field(kw_only=True)
    _given: int = field(default=0, init=False)
    _given_s: float = field(default=math.nan, init=False)

    def pieces(self) -> Iterator[Piece]:
        while (piece := self._next()) is not None:
            yield piece
        self.result()

    def result(self) -> Completion:
        with self.timeline.lock:
            if self._end is None:
                self._end = self._outcome()
        if isinstance(self._end, BaseException):
            raise self._end
        return self._end

    def cancel(self) -> None:
        """Ends it at the virtual time that the caller has seen last."""
        Ticket.cancel(self)  # slotted data classes are made twice, so super() has the wrong one
        with self.timeline.lock:
            if self._end is None:
                self.timeline.stop(self.job)

    def _next(self) -> Piece | None:
        """The next token, at its time; None at the end."""
        job, timeline = self.job, self.timeline
        with timeline.lock:
            if self._end is not None or timeline.closed:
                return None
            timeline.settle()
            left = job.tokens - self._given
            if left <= 0 or math.isnan(job.end_s):
                return None
            if not self._given:
                self._given_s = job.first_token_s
            elif left == 1:
                self._given_s = job.end_s
            else:
                self._given_s += (job.end_s - self._given_s) / left
            self._given += 1
            timeline.reach(job, self._given_s)
            return Piece("")

    def _outcome(self) -> Completion | EngineFailure:
        job, timeline = self.job, self.timeline
        if timeline.closed:
            return EngineFailure("the engine was closed")
        timeline.settle()
        if math.isnan(job.end_s):
            return EngineFailure(
                f"{job.prompt_tokens} prompt and {job.output_tokens} output tokens never fit into the engine"
            )
        timeline.reach(job, job.end_s)
        total_s = job.end_s - job.arrived_s
        # Pieces are spread evenly, so those handed out may be ahead of the tokens at a deadline.
        tokens = max(job.tokens, self._given)
        first_s = job.first_token_s - job.arrived_s if tokens else total_s
        return Completion(
            text="",
            token_ids=(),
            prompt_tokens=job.prompt_tokens,
            completion_tokens=tokens,
            finish_reason=job.ends if job.made is None else job.cut_by,
            timings=Timings(first_s, total_s),
            cached_tokens=min(job.cached_tokens, job.prompt_tokens),
        )


class OneCaller:
    """Refuses callers beside one another: the clock cannot know who else is about to ask."""

    def __init__(self) -> None:
        self._thread: int | None = None
        self._task: asyncio.Task[object] | None = None

    def check(self) -> None:
        """HarnessError for a second thread, and for a second task while the first one is under way."""
        thread, task = threading.get_ident(), _current_task()
        is_other_task = self._task is not None and not self._task.done() and task is not self._task
        if is_other_task or self._thread not in (None, thread):
            raise HarnessError(
                "several threads or tasks ask a modelled engine at once, so their order would be chance",
                where="cost model",
                allowed="one caller, who may submit many requests",
                next_step="give all requests to one generate(), or simulate the clients with ClosedLoop",
            )
        self._thread, self._task = thread, task


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None
