"""The companies of a run, what could not be read of them, and what is true of them where that is known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.extraction.company import Company
from harness.extraction.corpus import TRUTH, read_truth
from harness.extraction.documents import read_companies
from harness.extraction.truth import Truth


@dataclass(frozen=True, slots=True)
class Inputs:
    """`companies` have documents; `reports` are lines about every file; `truths` are by company name."""

    companies: tuple[Company, ...]
    reports: tuple[str, ...]
    unread: int
    truths: Mapping[str, Truth]


def read_inputs(options: argparse.Namespace) -> Inputs:
    """What the options name; raises HarnessError for a company that is not there, or if none can be read."""
    root: Path = options.root
    read = read_companies(root)
    names = [each.company.name for each in read.companies]
    for name in options.company or ():
        if name not in names:
            raise HarnessError(f"there is no company {name!r}", where=str(root), allowed=", ".join(names))
    chosen = [each for each in read.companies if not options.company or each.company.name in options.company]
    reports = [report.line for report in read.reports]
    reports += [
        f"{each.company.name}/{report.line}"
        for each in chosen
        for report in each.reports
        if report.name != TRUTH
    ]
    unread = sum(report.outcome == "not read" for each in chosen for report in each.reports)
    companies = tuple(each.company for each in chosen if each.company.documents)
    if not companies:
        raise HarnessError(
            "nothing could be read", where=str(root), allowed="txt, md, pdf, docx, xlsx", next_step=reports[0]
        )
    truths = {
        each.name: read_truth(root / each.name) for each in companies if (root / each.name / TRUTH).is_file()
    }
    return Inputs(companies, tuple(reports), unread, truths)
