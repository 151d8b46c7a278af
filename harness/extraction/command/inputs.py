"""The companies of a run, what could not be read of them, and what is true of them where that is known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.extraction.company import Company
from harness.extraction.corpus import TRUTH, read_truth
from harness.extraction.documents import FileReport, ReadCompany, read_companies
from harness.extraction.reading.opening import NOISY, PERFECT
from harness.extraction.truth import Truth


@dataclass(frozen=True, slots=True)
class Inputs:
    """`companies` have documents; `reports` are lines about every file; `unread` counts files and folders
    that were not read, or not wholly; `truths` are by company name."""

    companies: tuple[Company, ...]
    reports: tuple[str, ...]
    unread: int
    truths: Mapping[str, Truth]


def read_inputs(options: argparse.Namespace) -> Inputs:
    """What the options name, perhaps no company; raises HarnessError for one that is not there.

    A truth that does not fit its documents is an error for the readers that need it, a line for others.
    """
    root: Path = options.root
    read = read_companies(root, only=options.company or ())
    reports = [*read.reports, *(report for each in read.companies for report in _own(each))]
    lines = [report.line for report in read.reports]
    lines += [f"{each.company.name}/{report.line}" for each in read.companies for report in _own(each)]
    companies = tuple(each.company for each in read.companies if each.company.documents)
    truths: dict[str, Truth] = {}
    for company in companies:
        folder = root / company.name
        if not (folder / TRUTH).is_file():
            continue
        try:
            truths[company.name] = read_truth(folder)
        except HarnessError as error:
            if options.reader in (PERFECT, NOISY):
                raise
            lines.append(f"{company.name}/{TRUTH}: left out; {error.message}")
    unread = sum(report.outcome in ("not read", "partly read") for report in reports)
    return Inputs(companies, tuple(lines), unread, truths)


def _own(read: ReadCompany) -> list[FileReport]:
    """Its files without the truth."""
    return [report for report in read.reports if report.name != TRUTH]
