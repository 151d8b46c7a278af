"""`--golden`: what was extracted against right values, field by field."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HarnessError
from harness.extraction.command.outputs import FACILITIES
from harness.extraction.scoring import golden_report
from harness.extraction.scoring.golden import read_golden


def check_golden(path: Path) -> None:
    """Raise HarnessError for a golden table that cannot be compared with."""
    if not read_golden(path)[1]:
        raise HarnessError("there is no row", where=str(path), next_step="give a row for each facility")


def quality_lines(asked: argparse.Namespace) -> Iterator[str]:
    """The comparison of --output's table with the golden one; raises HarnessError where one is missing."""
    if asked.golden is None:
        raise HarnessError("nothing to compare with", next_step="name a table with --golden")
    yield from golden_report(asked.output / FACILITIES, asked.golden)
