"""Regular expressions for nine fields: what deep extraction falls back on when an answer cannot be read.

The documented pipeline also adds what they match to its prompts, after six chunks of which no more than three
fit: the hint is cut off. So it is not in ours either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from harness.extraction.asks import Ask, Found, Passage
from harness.extraction.schema.fields import Field

_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_DATE = rf"(?:\d{{1,2}}\s+)?{_MONTH}\s+\d{{4}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}|\d{{2}}/\d{{4}}"
_PERCENT = r"\d{1,3}(?:[.,]\d+)?\s?(?:%|per\s?cent)"
_AMOUNT = r"(?:[A-Z]{3}|[€£$])\s?\d[\d.,]*\d(?:\s(?:million|billion))?"
_GAP = r"[^.;\n]{0,80}?"
"""A value stands behind its word, in the same clause."""


def _behind(words: str, value: str) -> re.Pattern[str]:
    # the amount's letters tell a currency only as capitals, the words before it may be written anyhow
    return re.compile(rf"(?i:\b(?:{words})){_GAP}(?<![\d.,])(?P<value>{value})")


PATTERNS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "credit_limit": _behind(r"total commitments|aggregate|credit limit|maximum principal", _AMOUNT),
        "inception_date": _behind(r"dated|date of this agreement|signing date", f"(?i:{_DATE})"),
        "maturity_date": _behind(
            r"maturity date|final repayment date|final maturity|termination date", f"(?i:{_DATE})"
        ),
        "spread": _behind(r"margin|spread", f"(?i:{_PERCENT})"),
        "rate_floor": _behind(r"floor|not less than", f"(?i:{_PERCENT})"),
        "rate_cap": _behind(r"cap|ceiling|not exceed", f"(?i:{_PERCENT})"),
        "upfront_fee": _behind(r"upfront fee|arrangement fee|front-end fee", f"(?i:{_PERCENT})"),
        "commitment_fee": _behind(r"commitment fee|undrawn fee|non-utilisation fee", f"(?i:{_PERCENT})"),
        "lc_issuance_fee": _behind(
            r"issuance fee|letter of credit fee|letter-of-credit fee", f"(?i:{_PERCENT})"
        ),
    }
)


def first_pattern(field: Field, ask: Ask) -> Found | None:
    """What the field's pattern matches first in the text shown, with confidence MEDIUM; None for a field that
    has none, and where nothing matches."""
    pattern = PATTERNS.get(field.key)
    if pattern is None:
        return None
    for passage in ask.passages:
        match = pattern.search(ask.company.text, passage.start, passage.end)
        if match is not None:
            return Found(
                field.key, match["value"], "", match.group(), Passage(*match.span()), confidence="MEDIUM"
            )
    return None
