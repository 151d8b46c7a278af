"""`--golden`: what was extracted against right values, field by field."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from harness.errors import HarnessError
from harness.extraction.command.outputs import FACILITIES
from harness.extraction.scoring import golden_report


def quality_lines(asked: argparse.Namespace) -> Iterator[str]:
    """The comparison of --output's table with the golden one; raises HarnessError where one is missing."""
    if asked.golden is None:
        raise HarnessError("nothing to compare with", next_step="name a table with --golden")
    yield from golden_report(asked.output / FACILITIES, asked.golden)
