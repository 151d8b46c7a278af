"""Which of our fields the embedded model knows, and what it calls them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from harness.models.tasks.fields import FIELDS as KNOWN

_OURS = {
    "borrower_name": "borrower_name",
    "facility_amount": "credit_limit",
    "sponsor_name": "sponsor_name",
    "sponsor_ownership": "sponsor_ownership",
    "sector": "aggregated_sector",
    "country": "country",
    "contractor_name": "dc_contractor_name",
    "offtaker_name": "mitigant_guarantor",
    "minimum_cash": "lockup_minimum_cash",
    "interest_cover": "lockup_icr",
    "leverage_ratio": "lockup_net_debt_ebitda",
    "signing_date": "inception_date",
    "maturity_date": "maturity_date",
    "margin": "spread",
    "base_rate": "base_rate",
    "hedged_share": "hedged_share",
    "cash_sweep": "sweep_predetermined_share",
    "upfront_fee": "upfront_fee",
    "commitment_fee": "commitment_fee",
}
"""Its keys and ours. Capacity, facility agent, availability period, governing law and law firm are none of
ours."""

LABELS: Mapping[str, str] = MappingProxyType(
    {_OURS[field.key]: field.label for field in KNOWN if field.key in _OURS}
)
"""Our fields, and how the model was trained to be asked for them."""

_CUES = sorted(
    {cue for field in KNOWN for cue in (*field.cues, *field.lookalikes)}, key=lambda cue: (-len(cue), cue)
)
# what names end with stays as it is
_ENDINGS = {ending.lower() for field in KNOWN for ending in field.endings}
_WORDS = sorted(
    {word for cue in _CUES for word in cue.split()} - _ENDINGS, key=lambda word: (-len(word), word)
)
_TERM = re.compile(
    rf"\b(?:(?:{'|'.join(_WORDS)}) )*(?:{'|'.join(_CUES)})(?: (?:{'|'.join(_WORDS)}))*\b", re.IGNORECASE
)


def in_small_letters(text: str) -> str:
    """The text with the terms that the model knows in small letters, as it was trained to read them.

    Contracts write Defined Terms with capitals, and of those it misses most. No character moves.
    """
    return _TERM.sub(lambda match: match.group().lower(), text)
