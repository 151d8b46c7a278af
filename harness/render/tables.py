"""Tables of text for the terminal and for Markdown, and figures as their cells. Cells hold raw text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.render import numbers
from harness.render.escape import markdown_text, printable


@dataclass(frozen=True, slots=True)
class Table:
    """A head and rows of as many cells; columns in `left` are set to the left, the others to the right.

    Raises ValueError for a row of another length.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[int] = frozenset({0})

    def __post_init__(self) -> None:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError(f"every row has {len(self.head)} cells")


def terminal_lines(table: Table) -> list[str]:
    """Aligned columns without control characters."""
    cells = [[printable(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [_aligned(row, widths, table.left) for row in cells]


def _aligned(row: Sequence[str], widths: Sequence[int], left: frozenset[int]) -> str:
    placed = [
        cell.ljust(width) if i in left else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(placed).rstrip()


def markdown_lines(table: Table) -> list[str]:
    """A Markdown table whose cells are shown literally, whatever they hold."""
    rule = "|" + "|".join("---" if i in table.left else "--:" for i in range(len(table.head))) + "|"
    head, *rows = (
        "| " + " | ".join(markdown_text(cell) for cell in row) + " |" for row in (table.head, *table.rows)
    )
    return [head, rule, *rows]


def score_text(score: float, low: float = math.nan, high: float = math.nan) -> str:
    """`0.667 [0.521, 0.803]`; without an interval the score alone, `-` where there is none."""
    if math.isnan(score):
        return numbers.NOTHING
    alone = f"{score:.3f}"
    return alone if math.isnan(low) or math.isnan(high) else f"{alone} [{low:.3f}, {high:.3f}]"


def percent_text(share: float, digits: int = 1) -> str:
    """A share in percent, without the sign: `4.0`, `-inf`, `-` for NaN."""
    if not math.isfinite(share):
        return numbers.significant(share)
    return f"{round(100 * share, digits) + 0.0:.{digits}f}"  # no -0.0


def drop_text(drop: float, low: float, high: float) -> str:
    """`4.0 % [-1.2, 9.3]`; `-` where there is no drop to speak of."""
    if math.isnan(drop):
        return numbers.NOTHING
    return f"{percent_text(drop)} % [{percent_text(low)}, {percent_text(high)}]"
