"""Tables as text: a row is a line, its cells parted by bars."""

from __future__ import annotations

from collections.abc import Sequence

_BETWEEN = " | "


def row_text(cells: Sequence[str]) -> str:
    """One row as a line, line break included; empty cells at its end are left out, of an empty row all."""
    shown = [" ".join(cell.split()) for cell in cells]
    while shown and not shown[-1]:
        shown.pop()
    return _BETWEEN.join(shown) + "\n" if shown else ""
