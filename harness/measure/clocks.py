"""Clocks for timed metrics: which one is right depends on what runs (docs/statistics.md)."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from harness.errors import HarnessError
from harness.measure.spec import Clock


class Stopwatch(Protocol):
    """Start, then stop: seconds in between."""

    def start(self) -> None: ...
    def stop(self) -> float: ...


class _HostStopwatch:
    __slots__ = ("_began", "_read")

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self._began = 0.0

    def start(self) -> None:
        self._began = self._read()

    def stop(self) -> float:
        return self._read() - self._began


class _CudaStopwatch:
    """Time between two events on the current stream; one synchronisation per sample."""

    __slots__ = ("_cuda", "_end", "_start")

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._start = cuda.Event(enable_timing=True)
        self._end = cuda.Event(enable_timing=True)

    def start(self) -> None:
        self._cuda.synchronize()
        self._start.record()

    def stop(self) -> float:
        self._end.record()
        self._end.synchronize()
        return float(self._start.elapsed_time(self._end)) / 1000.0


_HOST_CLOCKS: dict[str, Callable[[], float]] = {
    "thread": time.thread_time,
    "process": time.process_time,
    "wall": time.perf_counter,
}


def stopwatch(clock: Clock) -> Stopwatch:
    """A stopwatch on `clock`; raises HarnessError when CUDA events are asked for without a GPU."""
    if clock != "cuda_event":
        return _HostStopwatch(_HOST_CLOCKS[clock])
    return _CudaStopwatch(cuda_module("clock 'cuda_event'"))


def cuda_module(needed_by: str) -> Any:
    """`torch.cuda` of a machine that has a device; otherwise a HarnessError naming `needed_by`."""
    try:
        cuda = importlib.import_module("torch").cuda
    except ImportError:
        cuda = None
    if cuda is None or not cuda.is_available():
        raise HarnessError(
            f"{needed_by} needs a CUDA device and torch",
            next_step="choose thread, process or wall for this row, or install: make install EXTRA=models",
        )
    return cuda
