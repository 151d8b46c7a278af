"""How good a result is: every cell against the truth, summaries with intervals, comparisons, calibration."""

from __future__ import annotations

from harness.extraction.scoring.assignment import Assignment, match_facilities
from harness.extraction.scoring.calibration import Bin, Reliability, confidences, reliability
from harness.extraction.scoring.company_score import MEASURES, CompanyScore, Measure, score_company
from harness.extraction.scoring.compare import Comparison, Difference, compare
from harness.extraction.scoring.golden import read_extracted, read_golden
from harness.extraction.scoring.golden_report import golden_report, golden_scores
from harness.extraction.scoring.outcome import Outcome, Verdict
from harness.extraction.scoring.summary import Rate, Rates, Summary, summary

__all__ = [
    "MEASURES",
    "Assignment",
    "Bin",
    "CompanyScore",
    "Comparison",
    "Difference",
    "Measure",
    "Outcome",
    "Rate",
    "Rates",
    "Reliability",
    "Summary",
    "Verdict",
    "compare",
    "confidences",
    "golden_report",
    "golden_scores",
    "match_facilities",
    "read_extracted",
    "read_golden",
    "reliability",
    "score_company",
    "summary",
]
