"""`harness predict validate`: how far modelled step times are from the measured ones in a file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness.costmodel.constants import load_constants
from harness.costmodel.validation import validate
from harness.errors import EXIT_DONE
from harness.hardware import load_matrix
from harness.predict.table import validation_table


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness predict validate`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV: layer times or request times")
    parser.add_argument("--constants", type=Path, metavar="FILE", help="other efficiency constants [shipped]")


def run(options: argparse.Namespace) -> int:
    """Print the errors; with --json the document of `Validation`, errors as fractions."""
    matrix = load_matrix(options.matrix)
    found = validate(options.file, matrix.rows, load_constants(options.constants))
    if options.json:
        sys.stdout.write(json.dumps(found.document(), indent=2, sort_keys=True) + "\n")
    else:
        sys.stdout.write(validation_table(found))
    return EXIT_DONE
