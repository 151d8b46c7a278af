"""The documents of a company, their sections, and which sections are a field group's home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A document: its sections in order, its share of the filler, whether paragraphs are numbered. Sections
    in `schedules` come after the others and are headed as such."""

    key: str
    sections: tuple[str, ...]
    schedules: tuple[str, ...] = ()
    filler: float = 0.0
    is_numbered: bool = True


AMENDMENTS = ("amendments1", "amendments2")
PARTS: tuple[Part, ...] = (
    Part(
        "agreement",
        (
            "front",
            "definitions",
            "facilities",
            "lenders",
            "drawing",
            "interest",
            "prepayment",
            "conditions",
            "general",
        ),
        ("s_lenders", "s_tables", "s_terms", "s_forms"),
        0.45,
    ),
    Part(
        "common_terms",
        (
            "ownership",
            "project",
            "construction",
            "revenues",
            "accounts",
            "distributions",
            "default",
            "common_general",
        ),
        ("s_examples", "s_common"),
        0.35,
    ),
    Part("term_sheet", ("terms",), filler=0.04),
    Part("fee_letter", ("fees",), filler=0.03),
    Part("hedging_letter", ("hedging",), filler=0.04),
    Part("amendment_1", ("amendments1",), filler=0.02),
    Part("amendment_2", ("amendments2",), filler=0.02),
    Part("certificates", ("certificates",), filler=0.02, is_numbered=False),
    Part("emails", ("emails",), filler=0.03, is_numbered=False),
)

HOMES: Mapping[str, str] = {
    "basic_info": "facilities",
    "sponsor_info": "ownership",
    "project_details": "project",
    "construction_guarantees": "construction",
    "revenue_mitigants": "revenues",
    "covenants_general": "accounts",
    "covenants_ratios": "distributions",
    "syndication": "lenders",
    "dates_schedules": "drawing",
    "pricing": "interest",
    "hedging": "hedging",
    "cash_sweep": "prepayment",
    "fees": "fees",
}
"""The section where one looks first for a group's fields."""

ELSEWHERE = ("conditions", "terms", "certificates", "emails", "default", "general")


def schedule_of(group: str, is_table: bool) -> str:
    """The schedule in which a group's fields may stand."""
    if group == "syndication":
        return "s_lenders"
    if is_table:
        return "s_tables"
    return "s_common" if HOMES[group] in PARTS[1].sections else "s_terms"
