"""`harness predict validate`: how far modelled step times are from the measured ones in a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.costmodel.constants import load_constants
from harness.costmodel.validation import Validation, validate
from harness.errors import EXIT_DONE
from harness.hardware import load_matrix
from harness.predict.output import json_text, write_file
from harness.predict.report import aligned
from harness.render.escape import printable
from harness.render.numbers import percent, several

_COLUMNS = [
    "gpu", "phase", "model", "precision", "tensor_parallel", "tokens", "lines", "measured_s", "modelled_s",
    "error", "rounds_alike", "basis",
]  # fmt: skip
_HEADS = ("gpu", "phase", "rows", "configurations", "median", "p90", "constants")
_MOST_LEFT_OUT = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness predict validate`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV: times by layer or by request")
    parser.add_argument("--constants", type=Path, metavar="FILE", help="other efficiency constants [shipped]")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write each configuration's error as CSV")


def run(options: argparse.Namespace) -> int:
    """Print the errors; with --json the document of `Validation`, errors as fractions."""
    constants = load_constants(options.constants)
    found = validate(options.file, load_matrix(options.matrix).rows, constants)
    if options.csv is not None:
        write_file(options.csv, table(found))
    sys.stdout.write(json_text(found.document()) if options.json else text(found))
    return EXIT_DONE


def text(found: Validation) -> str:
    """A table by GPU and phase, all rows together last, then what was left out."""
    per_gpu = found.document()["per_gpu"]
    lines: list[tuple[str, ...]] = []
    groups = [(gpu, phase, errors) for (gpu, phase), errors in found.per("gpu", "phase").items()]
    groups += [("all", phase, errors) for (phase,), errors in found.per("phase").items()]
    for gpu, phase, errors in [*groups, ("all", "", found.overall)]:
        counts = (f"{errors.rows:,}", f"{errors.configurations:,}")
        basis = str(per_gpu[gpu]["basis"]) if gpu in per_gpu else ""
        lines.append((printable(gpu), phase, *counts, percent(errors.median), percent(errors.p90), basis))
    title = f"|modelled / measured - 1| of {several(found.rows, 'row')} in {printable(found.path)}"
    left_out = [f"line {line}: left out: {printable(why)}" for line, why in found.left_out.items()]
    if len(left_out) > _MOST_LEFT_OUT:
        left_out[_MOST_LEFT_OUT:] = [f"and {len(left_out) - _MOST_LEFT_OUT:,} more lines left out"]
    origin = f"modelled: constants {found.version}; measured: the figures of the file, as they stand"
    return "\n".join([title, "", *aligned(_HEADS, lines, right=range(2, 6)), "", *left_out, origin]) + "\n"


def table(found: Validation) -> str:
    """One CSV line for each configuration."""
    frame = found.frame.assign(lines=[" ".join(map(str, lines)) for lines in found.frame["lines"]])
    return frame.to_csv(columns=_COLUMNS, index=False, lineterminator="\n")
