"""The guide's score kernel: rows of attention times a weight vector, four ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from harness.measure.stats import Floats

Kernel = Callable[[Any, Any], Any]


def by_loop(attention: Any, weights: Any) -> Any:
    """One row after the other in Python."""
    scores = np.zeros(len(attention), dtype=attention.dtype)
    for row in range(len(attention)):
        scores[row] = np.dot(attention[row], weights)
    return scores


def by_product(attention: Any, weights: Any) -> Any:
    """One matrix product."""
    return attention @ weights


@cache
def compiled() -> Kernel:
    """The loop compiled by numba, as the guide writes it; compiling is part of the first call."""
    import numba

    kernel: Kernel = numba.njit(by_loop)
    return kernel


def operands(rows: int, columns: int, seed: int = 0) -> tuple[Any, Any]:
    """Attention rows and weights in float32."""
    r = np.random.default_rng(seed)
    return r.random((rows, columns), dtype=np.float32), r.random(columns, dtype=np.float32)


def furthest(first: Floats, second: Floats) -> float:
    """The largest difference, relative to the largest value."""
    return float(np.abs(first - second).max() / np.abs(first).max())
