"""Small generated companies."""

from __future__ import annotations

import pytest

from harness.extraction.corpus import FAMILIES, Knobs, companies
from harness.extraction.truth import Truth


@pytest.fixture(scope="session")
def small() -> list[Truth]:
    """Three companies of each family."""
    return [
        truth for family in FAMILIES for truth in companies(3, 11, Knobs(tokens=12_000, ocr=0.01), family)
    ]
