"""The two companies that are committed as a sample: what they are made with."""

from __future__ import annotations

from pathlib import Path

from harness.extraction.corpus.build import companies
from harness.extraction.corpus.files import write_company
from harness.extraction.corpus.knobs import Knobs

SAMPLE_SEED = 6
SAMPLE_COUNT = 2
SAMPLE_KNOBS = Knobs(tokens=10_000, facilities=2)


def write_sample(root: Path) -> None:
    """Write them below `root`, each into a folder of its name; always the same bytes."""
    for truth in companies(SAMPLE_COUNT, SAMPLE_SEED, SAMPLE_KNOBS, "report"):
        write_company(truth, root / truth.company.name)
