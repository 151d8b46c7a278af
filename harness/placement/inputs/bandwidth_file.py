"""Read `network_bandwidth.csv`: GB/s from GPU to GPU, or from type to type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.placement.inputs.table_file import LARGEST, POSITIVE, number, rows
from harness.placement.problem import Floats, GpuType

# What measured matrices have on their diagonal.
_NO_LINK = ("", "-", "0", "0.0", "nan")


def read_bandwidth(path: Path, pool: tuple[GpuType, ...], missing: str) -> Floats:
    """The read-only matrix in `path`, shape (GPUs, GPUs) or (types, types).

    Header and first column name the GPUs, gpu_0, gpu_1, ..., whose diagonal may be 0, or the types in
    pool order, whose diagonal is the links inside a type. HarnessError names line, row and column of
    a mistake.
    """
    gpus = sum(gpu.count for gpu in pool)
    kinds = [gpu.name for gpu in pool]
    lines = rows(path, missing)
    header = next(lines, ("", [""]))[1][1:]
    per_type = header == kinds or (header[:1] != ["gpu_0"] and not set(kinds).isdisjoint(header))
    size = len(kinds) if per_type else gpus
    shape = (
        f"{gpus} x {gpus}, one row and column per GPU of gpu_pool.csv, with gpu_0, gpu_1, ... as names, "
        f"or {len(kinds)} x {len(kinds)}, one per type, with the types in pool order as names"
    )
    if len(header) != size:
        body = sum(1 for _ in lines)
        raise HarnessError(f"the matrix is {body} x {len(header)}", where=str(path), allowed=shape)
    names = kinds if per_type else [f"gpu_{i}" for i in range(gpus)]
    matrix = _matrix(path, lines, header, names, shape, per_type)
    if per_type and size == gpus:
        # A matrix of as many rows as GPUs is taken for one per GPU.
        counts = [gpu.count for gpu in pool]
        matrix = matrix.repeat(counts, axis=0).repeat(counts, axis=1)
    matrix.flags.writeable = False
    return matrix


def _matrix(
    path: Path,
    lines: Iterator[tuple[str, list[str]]],
    header: list[str],
    names: list[str],
    shape: str,
    per_type: bool,
) -> Floats:
    """The matrix under a header of as many names; HarnessError names the first mistake."""
    matrix, count = np.empty((len(names), len(names))), 0
    for count, (place, row) in enumerate(lines, 1):
        if count > len(names):
            break
        if len(row) != len(names) + 1:
            raise HarnessError(f"{len(row) - 1} values in row {row[0]!r}", where=place, allowed=shape)
        name, found = names[count - 1], row[0]
        if found != name or header[count - 1] != name:
            found = found if found != name else header[count - 1]
            raise HarnessError(f"{found!r} where {name!r} belongs", where=place, allowed=shape)
        cells = row[1:]
        if not per_type and cells[count - 1] in _NO_LINK:
            # no plan has a link from a GPU to itself
            cells[count - 1] = cells[count - 2] if len(cells) > 1 else "1"
        matrix[count - 1] = _values(cells, place, name, names)
    count += sum(1 for _ in lines)
    if count != len(names):
        raise HarnessError(f"the matrix is {count} x {len(header)}", where=str(path), allowed=shape)
    return matrix


def _values(cells: list[str], place: str, row: str, columns: list[str]) -> Floats:
    try:
        values = np.array(cells, dtype=np.float64)
        if values.min() >= POSITIVE and values.max() <= LARGEST:
            return values
    except ValueError:
        pass
    # One by one, to name the cell that is wrong.
    cell_values = [
        number(text, f"{place}, row {row}, column {column}", POSITIVE)
        for text, column in zip(cells, columns, strict=True)
    ]
    return np.array(cell_values)
