"""Recorded loads from a file."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from harness.costmodel.simulation.requests import Requests, requests_of
from harness.errors import HarnessError

COLUMNS = {
    "arrived_s": ("arrived_s", "arrived_at"),
    "prompt_tokens": ("prompt_tokens", "num_prefill_tokens"),
    "output_tokens": ("output_tokens", "num_decode_tokens"),
}
"""Our column names, and the names they may have in a file: ours, or those of the simulator Vidur."""


def read_trace(path: Path) -> Requests:
    """Requests of a CSV file with the columns of `COLUMNS`, and maybe `prefix_group` and `prefix_tokens`.

    HarnessError for a file that is no such table, or a bad row, counted from 0 below the header.
    """
    try:
        with warnings.catch_warnings():
            # Rows longer than the header; without `index_col` pandas would shift their columns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as wrong:
        raise HarnessError(f"cannot read the trace: {wrong}", where=str(path)) from wrong
    columns = {}
    for ours, names in COLUMNS.items():
        found = [name for name in names if name in table]
        if not found:
            raise HarnessError(f"no column {ours}", where=str(path), allowed=" or ".join(names))
        columns[ours] = _numbers(table[found[0]], path)
    shared = {
        name: _numbers(table[name], path) for name in ("prefix_group", "prefix_tokens") if name in table
    }
    return requests_of(**columns, **shared, where=str(path))


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise HarnessError(
            f"row {row} has as {column.name} {column.iloc[row]}", where=str(path), allowed="numbers"
        )
    return numbers
