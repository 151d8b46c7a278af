"""How much memory a piece of work takes on top of what was held before it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.errors import HarnessError

T = TypeVar("T")

_SELF = Path("/proc/self")
# glibc's M_MMAP_THRESHOLD, and the value to which it raises that by itself as large blocks are freed.
_MMAP_THRESHOLD, _LARGEST_THRESHOLD = -3, 32 * 2**20


def peak_growth(run: Callable[[], T], *, on_cpu: bool) -> tuple[T, int]:
    """What `run` returns, and the most bytes held meanwhile beyond those held before.

    On a CPU the process's resident set, all threads; on a CUDA card what torch allocates there. Memory that
    the C library kept for later use is handed back first, and large blocks come from the kernel meanwhile, or
    the growth would hide in what was kept: this costs time, so nothing should be timed here. Raises
    HarnessError where the kernel cannot tell (it takes Linux).
    """
    return _resident_growth(run) if on_cpu else _cuda_growth(run)


def _resident_growth(run: Callable[[], T]) -> tuple[T, int]:
    library = ctypes.CDLL(None)
    is_glibc = hasattr(library, "malloc_trim")
    if is_glibc:
        library.malloc_trim(0)
        library.mallopt(_MMAP_THRESHOLD, 2**20)
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        raise HarnessError("memory growth needs Linux's /proc/self/clear_refs") from None
    before = _status_bytes("VmRSS")
    try:
        result = run()
    finally:
        if is_glibc:
            library.mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    return result, max(0, _status_bytes("VmHWM") - before)


def _status_bytes(name: str) -> int:
    for line in (_SELF / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise HarnessError(f"/proc/self/status has no {name}")


def _cuda_growth(run: Callable[[], T]) -> tuple[T, int]:
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = run()
    torch.cuda.synchronize()
    return result, int(torch.cuda.max_memory_allocated()) - before
