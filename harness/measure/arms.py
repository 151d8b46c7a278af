"""An arm made ready to run: prepared once, executed any number of times, sync or async alike."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.measure.clocks import Stopwatch
from harness.measure.probes import Tally


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a pair.

    `prepare` runs once and its cost is reported as set-up time; what it returns is the first
    argument of `run`. Both may be coroutine functions.
    """

    run: Callable[..., Any]
    prepare: Callable[[], Any] | None = None


class ReadyArm:
    """An arm after its set-up; `setup_s` is what the set-up took, or None when it has none."""

    def __init__(
        self, arm: Arm, each_round: Callable[[], Any] | None, loop: asyncio.Runner, tally: Tally
    ) -> None:
        self._run = arm.run
        self._each_round = each_round
        self._loop = loop
        self._tally = tally
        self._is_async = inspect.iscoroutinefunction(arm.run)
        self._prepared: tuple[Any, ...] = ()
        self.setup_s: float | None = None
        if arm.prepare is not None:
            began = time.perf_counter()
            self._prepared = (self._settle(arm.prepare()),)
            self.setup_s = time.perf_counter() - began

    @property
    def is_repeatable(self) -> bool:
        """Whether calls can be repeated inside one sample: not when each round needs fresh input."""
        return self._each_round is None

    def first_call(self) -> Any:
        """Run once and notice whether the arm answers with an awaitable."""
        answer = self._run(*self._arguments())
        self._is_async = self._is_async or inspect.isawaitable(answer)
        return self._settle(answer)

    def execute(self, watches: Sequence[Stopwatch], iterations: int) -> tuple[list[float], Any]:
        """Seconds per call on each stopwatch (in their order), and the last call's result."""
        arguments = self._arguments()
        self._tally.reset()
        if self._is_async:
            return self._loop.run(self._timed_async(watches, iterations, arguments))
        run = self._run
        for watch in watches:
            watch.start()
        for _ in range(iterations):
            result = run(*arguments)
        durations = [watch.stop() / iterations for watch in reversed(watches)]
        return durations[::-1], result

    async def _timed_async(
        self, watches: Sequence[Stopwatch], iterations: int, arguments: tuple[Any, ...]
    ) -> tuple[list[float], Any]:
        for watch in watches:
            watch.start()
        for _ in range(iterations):
            result = await self._run(*arguments)
        durations = [watch.stop() / iterations for watch in reversed(watches)]
        return durations[::-1], result

    def _arguments(self) -> tuple[Any, ...]:
        if self._each_round is None:
            return self._prepared
        return (*self._prepared, self._settle(self._each_round()))

    def _settle(self, answer: Any) -> Any:
        return self._loop.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    return await answer
