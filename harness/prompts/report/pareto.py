"""Score against prompt length and latency: which prompts no other one beats. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.render import numbers
from harness.render.tables import Table, score_text

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("name", "score", "score_low", "score_high", "prompt_tokens", "latency_s", "on_front", "provenance")


@dataclass(frozen=True, slots=True)
class PromptPoint:
    """One prompt: its score with interval, its length in tokens, and seconds per answer, NaN if not timed."""

    name: str
    score: float
    prompt_tokens: int
    latency_s: float = math.nan
    score_low: float = math.nan
    score_high: float = math.nan
    provenance: str = "measured"


def non_dominated(costs: ArrayLike) -> NDArray[np.bool_]:
    """Rows of `costs` [n, k], each column the less the better, that no other row beats; shape [n].

    A row beats another that it nowhere exceeds and that differs from it (Pareto dominance). Equal rows stand
    or fall together. Raises ValueError for a table that is none or holds NaN.
    """
    table = np.asarray(costs, dtype=float)
    if table.ndim != 2 or np.isnan(table).any():
        raise ValueError(f"costs are a table [n, k] without NaN, got shape {table.shape}")
    no_worse = (table[:, None, :] <= table[None, :, :]).all(axis=2)
    better = (table[:, None, :] < table[None, :, :]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def on_front(points: Sequence[PromptPoint]) -> list[bool]:
    """Whether each prompt is on the front of score, prompt tokens and latency.

    Latency counts only where every prompt has one: a prompt that was not timed cannot be placed.
    """
    if not points:
        return []
    costs = [[-point.score, float(point.prompt_tokens)] for point in points]
    if not any(math.isnan(point.latency_s) for point in points):
        costs = [[*cost, point.latency_s] for cost, point in zip(costs, points, strict=True)]
    return [bool(kept) for kept in non_dominated(costs)]


def pareto_frame(points: Sequence[PromptPoint]) -> pd.DataFrame:
    """One row per prompt with COLUMNS, in the order given."""
    import pandas as pd

    rows = [
        (p.name, p.score, p.score_low, p.score_high, p.prompt_tokens, p.latency_s, kept, p.provenance)
        for p, kept in zip(points, on_front(points), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pareto_table(points: Sequence[PromptPoint]) -> Table:
    """The same for people, the best score first."""
    placed = sorted(
        zip(points, on_front(points), strict=True), key=lambda each: (-each[0].score, each[0].prompt_tokens)
    )
    rows = tuple(
        (
            point.name,
            score_text(point.score, point.score_low, point.score_high),
            f"{point.prompt_tokens:,}",
            numbers.quantity(point.latency_s, "s"),
            "yes" if kept else "no",
            point.provenance,
        )
        for point, kept in placed
    )
    head = ("prompt", "F1", "prompt tokens", "time per answer", "on the front", "provenance")
    return Table(head, rows, frozenset({0, 4, 5}))
