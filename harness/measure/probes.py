"""Probes: what an arm costs besides time. They run in rounds of their own, never in timed ones."""

from __future__ import annotations

import gc
import importlib
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.measure.clocks import cuda_module
from harness.measure.spec import ProbeName

GIB = 2**30
_SELF = Path("/proc/self")


@dataclass(slots=True)
class Tally:
    """Counters that an arm adds to while it runs; zeroed before each execution."""

    calls: int = 0
    tokens: int = 0
    bytes: int = 0

    def reset(self) -> None:
        self.calls = self.tokens = self.bytes = 0


def probe(name: ProbeName, run: Callable[[], Any]) -> float:
    """Run once under the probe. Sizes are in GiB, energy in joules.

    Raises HarnessError when this machine cannot measure it (then the metric is `not run`).
    """
    gc.collect()
    return _PROBES[name](run)


def _peak_rss(run: Callable[[], Any]) -> float:
    """Peak resident set of the process while `run` runs; Linux only (the high-water mark is reset)."""
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        raise HarnessError(
            "peak_rss needs Linux's /proc/self/clear_refs", next_step="use tracemalloc_peak"
        ) from None
    run()
    for line in (_SELF / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / GIB
    raise HarnessError("peak_rss: /proc/self/status has no VmHWM", next_step="use tracemalloc_peak")


def _tracemalloc_peak(run: Callable[[], Any]) -> float:
    """Peak of Python-level allocations (numpy included), above what was held before."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run()
        return (tracemalloc.get_traced_memory()[1] - before) / GIB
    finally:
        if not was_tracing:
            tracemalloc.stop()


def _cuda_memory(run: Callable[[], Any]) -> float:
    """Peak bytes that torch allocated on the current device."""
    cuda = cuda_module("probe 'cuda_memory'")
    cuda.synchronize()
    cuda.reset_peak_memory_stats()
    run()
    cuda.synchronize()
    return float(cuda.max_memory_allocated()) / GIB


def _energy(run: Callable[[], Any]) -> float:
    """Joules of all devices from NVML's total-energy counters (Volta and later), about 100 ms apart."""
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        devices = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        before = [nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in devices]
    except Exception as error:  # NVML raises its own classes, absent where the package is absent
        raise HarnessError(
            f"energy needs an NVIDIA GPU and NVML ({type(error).__name__})",
            next_step="install: make install EXTRA=gpu, on a machine with a GPU",
        ) from None
    run()
    after = [nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in devices]
    return float(sum(b - a for a, b in zip(before, after, strict=True))) / 1000.0


_PROBES: dict[ProbeName, Callable[[Callable[[], Any]], float]] = {
    "peak_rss": _peak_rss,
    "tracemalloc_peak": _tracemalloc_peak,
    "cuda_memory": _cuda_memory,
    "energy": _energy,
}
