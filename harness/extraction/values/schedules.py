"""Schedules in their one form: dates with the share that falls on each, in the order of time."""

from __future__ import annotations

import re

from harness.extraction.values.dates import canonical_date
from harness.extraction.values.numbers import canonical_percent

_BETWEEN = re.compile(
    r"[;\n|]"
    r"|\s+and\s+(?=[\d.,]+\s*(?:%|per\s?cent))"
    r"|(?:(?<=%)|(?<=per cent)|(?<=percent))\s*(?:,|\band\b)\s*"
    r"|(?<=\d),\s+(?=\d{1,2}[-/.]\d|\d{4}-\d)"
)
_SHARE_FIRST = re.compile(r"(?P<share>[\d.,]+\s*(?:%|per\s?cent))\s*(?:on|in|by|at|:)?\s+(?P<date>.+)")
_ENTRY = re.compile(r"(?P<date>[^:=;]+?)\s*(?:[:=]|\s-\s|\s)\s*(?P<share>[\d.,]+\s*(?:%|per\s?cent)?)")


def canonical_schedule(text: str) -> str | None:
    """ "06/2027: 2.5; 12/2027: 97.5"; None where an entry has no date or no share, or a date comes twice."""
    entries: dict[str, str] = {}
    for part in filter(None, (part.strip(" .,") for part in _BETWEEN.split(text))):
        found = _SHARE_FIRST.fullmatch(part) or _ENTRY.fullmatch(part)
        date = canonical_date(found["date"]) if found else None
        share = canonical_percent(found["share"]) if found else None
        if date is None or share is None or date in entries:
            return None
        entries[date] = share
    ordered = sorted(entries, key=lambda date: (date[3:], date[:2]))
    return "; ".join(f"{date}: {entries[date]}" for date in ordered) or None
