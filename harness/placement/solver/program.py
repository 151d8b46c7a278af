"""A mixed-integer program as frozen arrays, and the builder that gathers its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Program:
    """Optimise objective . x subject to row_lower <= A x <= row_upper and column bounds.

    A is in compressed columns: column c has `values[starts[c]:starts[c + 1]]` in `rows` of the same
    slice, ascending. `integer` marks the columns that must be whole.
    """

    maximise: bool
    objective: Floats
    column_lower: Floats
    column_upper: Floats
    integer: NDArray[np.bool_]
    row_lower: Floats
    row_upper: Floats
    starts: Ints
    rows: Ints
    values: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """(columns, rows, nonzeros)."""
        return len(self.objective), len(self.row_lower), len(self.rows)


class Rows:
    """Gathers a program's rows, block by block, in any order of coefficients."""

    def __init__(self) -> None:
        self._count = 0
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []

    def block(self, count: int, lower: ArrayLike, upper: ArrayLike) -> NDArray[np.intp]:
        """Open `count` rows with these bounds (one, or one per row); returns their numbers."""
        first = self._count
        self._count += count
        self._lower.append(np.broadcast_to(np.asarray(lower, np.float64), (count,)))
        self._upper.append(np.broadcast_to(np.asarray(upper, np.float64), (count,)))
        return np.arange(first, first + count)

    def add(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """One coefficient per (row, column) pair; the three broadcast against each other."""
        row, column, value = np.broadcast_arrays(
            np.asarray(rows, np.int32), np.asarray(columns, np.int32), np.asarray(values, np.float64)
        )
        self._entries.append((row.ravel(), column.ravel(), value.ravel()))

    def program(
        self, *, maximise: bool, objective: Floats, lower: Floats, upper: Floats, integer: NDArray[np.bool_]
    ) -> Program:
        """The program these rows make with the given columns."""
        row = np.concatenate([entry[0] for entry in self._entries])
        column = np.concatenate([entry[1] for entry in self._entries])
        value = np.concatenate([entry[2] for entry in self._entries])
        order = np.lexsort((row, column))
        starts = np.zeros(len(objective) + 1, dtype=np.int32)
        np.cumsum(np.bincount(column, minlength=len(objective)), out=starts[1:])
        return Program(
            maximise=maximise,
            objective=objective,
            column_lower=lower,
            column_upper=upper,
            integer=integer,
            row_lower=np.concatenate(self._lower),
            row_upper=np.concatenate(self._upper),
            starts=starts,
            rows=row[order],
            values=value[order],
        )
