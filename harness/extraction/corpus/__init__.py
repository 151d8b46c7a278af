"""Companies whose every field is known: generated from a seed, or labelled by others."""

from harness.extraction.corpus.baselines import (
    Chooser,
    at_random,
    full_text,
    in_document_order,
    nothing_found,
    read_by,
    regular_expressions,
)
from harness.extraction.corpus.build import companies, generate
from harness.extraction.corpus.certificate import certificate, problems
from harness.extraction.corpus.cuad import read_cuad
from harness.extraction.corpus.files import TRUTH, read_truth, write_company
from harness.extraction.corpus.histograms import Histogram, lengths, positions, presence
from harness.extraction.corpus.knobs import FAMILIES, Family, Knobs
from harness.extraction.corpus.overlap import LIMIT, mean_overlap, overlap_by_tag, overlaps

__all__ = [
    "FAMILIES",
    "LIMIT",
    "TRUTH",
    "Chooser",
    "Family",
    "Histogram",
    "Knobs",
    "at_random",
    "certificate",
    "companies",
    "full_text",
    "generate",
    "in_document_order",
    "lengths",
    "mean_overlap",
    "nothing_found",
    "overlap_by_tag",
    "overlaps",
    "positions",
    "presence",
    "problems",
    "read_by",
    "read_cuad",
    "read_truth",
    "regular_expressions",
    "write_company",
]
