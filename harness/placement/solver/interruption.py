"""Ctrl-C during a long search: the first ends the search with the best so far, a second one the process.

HiGHS hears neither signals nor its own time limit while it presolves, for minutes on large models.
So an interruptible search runs in a process of its own, which can be ended at any moment.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import FrameType
from typing import TypeVar

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError

_POLL_S = 0.05

Best = TypeVar("Best")


class Stop:
    """Whether somebody asked for the end. Pass one object to everything that shall end together."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Inside, the first Ctrl-C sets `asked` and a second one ends the process. Main thread only."""
    stop = Stop()

    def listen(_: int, __: FrameType | None) -> None:
        if stop.asked:
            for worker in multiprocessing.active_children():
                worker.kill()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        stop.asked = True

    before = signal.signal(signal.SIGINT, listen)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def run_until_stopped(
    search: Callable[[Callable[[Best], None]], Best], stop: Stop, time_limit_s: float
) -> Best | None:
    """What `search` returns; the last it reported once `stop` is asked or the time is over, if anything.

    It runs in a process of its own and gets a function to report what it has so far. What it returns,
    reports and raises must be picklable; a HarnessError is raised here too. If the process dies:
    HarnessError (exit 21).
    """
    # fork: a model of a hundred MB is not copied, and the caller's main module is not imported again
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(search, theirs), daemon=True)
    worker.start()
    theirs.close()
    deadline = time.monotonic() + time_limit_s
    best: Best | None = None
    try:
        while not stop.asked and time.monotonic() < deadline:
            if not ours.poll(_POLL_S):
                continue
            kind, content = ours.recv()
            if kind == "error":
                raise content
            best = content
            if kind == "end":
                return best
        while ours.poll():
            kind, content = ours.recv()
            best = best if kind == "error" else content
    except (EOFError, OSError):
        worker.join()
        # The terminal sends Ctrl-C to both processes, and the worker may be the first to hear it.
        if not stop.asked and worker.exitcode != -signal.SIGINT:
            raise HarnessError(
                f"the search's process ended with {worker.exitcode}", exit_code=EXIT_INFRASTRUCTURE
            ) from None
        stop.asked = True
    finally:
        worker.kill()
        worker.join()
        ours.close()
    return best


def _work(search: Callable[[Callable[[Best], None]], Best], results: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        results.send(("end", search(lambda best: results.send(("best", best)))))
    except HarnessError as error:
        results.send(("error", error))
