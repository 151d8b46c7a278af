"""The cost model's own error as a benchmark: data sheets taken at their word, against fitted constants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from harness.costmodel.constants import load_constants
from harness.costmodel.heldout import measured_configurations, splits
from harness.costmodel.validation import Configuration, error_frame
from harness.hardware import load_matrix

FILES = ("layer_times.csv", "request_times.csv")


def read_data(folder: Path, matrix: Path) -> list[Configuration]:
    """Every measured configuration of the two published tables; HarnessError for a bad file or matrix."""
    rows = load_matrix(matrix).rows
    return [one for name in FILES for one in measured_configurations(folder / name, rows)]


def data_sheet_errors(found: list[Configuration]) -> dict[str, float]:
    """Errors of a roofline at the printed rates: every efficiency is 1, nothing is lost to launching."""
    shipped = load_constants()
    printed = replace(
        shipped,
        families={n: replace(f, bandwidth=1.0, launch_s=0.0) for n, f in shipped.families.items()},
        classes={n: replace(c, compute=1.0) for n, c in shipped.classes.items()},
    )
    return _errors(error_frame(found, printed))


def left_out_errors(found: list[Configuration]) -> dict[str, float]:
    """Errors on each GPU from constants that were fitted to all others."""
    return _errors(splits(found).gpus)


def _errors(frame: pd.DataFrame) -> dict[str, float]:
    return {
        f"{phase}_error_{name}": float(part["error"].quantile(share))
        for phase, part in frame.groupby("phase")
        for name, share in (("median", 0.5), ("p90", 0.9))
    }
