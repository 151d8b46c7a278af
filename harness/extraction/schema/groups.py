"""The groups in which fields are asked for: the 13 of the original's code, the 12 of its guide, and 8."""

from __future__ import annotations

from dataclasses import dataclass

from harness.extraction.schema.fields import FIELDS

_MOST_OUTPUT_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that one prompt asks for. `fields` are keys; `output_tokens` is the limit of the answer."""

    key: str
    name: str
    fields: tuple[str, ...]
    output_tokens: int


def _group(key: str, name: str, output_tokens: int) -> Group:
    return Group(key, name, tuple(each.key for each in FIELDS.values() if each.group == key), output_tokens)


GROUPS_13: tuple[Group, ...] = (
    _group("basic_info", "Basic information", 1024),
    _group("sponsor_info", "Sponsor", 768),
    _group("project_details", "Project", 768),
    _group("construction_guarantees", "Construction and guarantees", 768),
    _group("revenue_mitigants", "Revenue mitigants", 1024),
    _group("covenants_general", "Covenants, general", 768),
    _group("covenants_ratios", "Covenants, ratios", 1024),
    _group("syndication", "Syndication", 512),
    _group("dates_schedules", "Dates and schedules", 1024),
    _group("pricing", "Pricing", 768),
    _group("hedging", "Hedging", 1024),
    _group("cash_sweep", "Cash sweep", 768),
    _group("fees", "Fees", 512),
)
_BY_KEY = {group.key: group for group in GROUPS_13}


def _merged(*keys: str) -> Group:
    """Several groups as one. Its answer may be as long as theirs together, up to the longest of any group."""
    parts = [_BY_KEY[key] for key in keys]
    return Group(
        "+".join(keys),
        "; ".join(part.name for part in parts),
        tuple(key for part in parts for key in part.fields),
        min(_MOST_OUTPUT_TOKENS, sum(part.output_tokens for part in parts)),
    )


_COVENANTS = _merged("covenants_general", "covenants_ratios")
GROUPS_12: tuple[Group, ...] = tuple(
    _COVENANTS if group.key == "covenants_general" else group
    for group in GROUPS_13
    if group.key != "covenants_ratios"
)
GROUPS_8: tuple[Group, ...] = (
    _merged("basic_info", "syndication"),
    _merged("sponsor_info", "project_details"),
    _merged("construction_guarantees", "revenue_mitigants"),
    _merged("covenants_general", "cash_sweep"),
    _BY_KEY["covenants_ratios"],
    _BY_KEY["dates_schedules"],
    _merged("pricing", "fees"),
    _BY_KEY["hedging"],
)
