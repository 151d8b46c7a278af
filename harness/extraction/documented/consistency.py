"""The twelve rules on values that belong together: seven turn No into Yes, five say what does not fit.

It is known of the documented rules which subjects they have, and that seven of them change No into Yes when
details are there. What the other five do is not known; here they change nothing and leave a note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.extraction.documented.records import Record
from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import canonical

Records = Mapping[str, Record]


@dataclass(frozen=True, slots=True)
class Implied:
    """A yes-or-no field that is Yes when one of the details has a value."""

    flag: str
    details: tuple[str, ...]


IMPLIED = (
    Implied("sponsor_linked", ("sponsor_name", "sponsor_ownership")),
    Implied("holdco_linked", ("holdco_name",)),
    Implied("completion_guarantees", ("completion_guarantor",)),
    Implied("dc_contractor_present", ("dc_contractor_name",)),
    Implied("revenue_mitigants", ("mitigant_type", "mitigant_guarantor", "volume_share")),
    Implied("hedged", ("hedging_instrument", "hedge_fixed_rate", "hedge_notional", "hedged_share")),
    Implied(
        "cash_sweep",
        ("sweep_structure", "sweep_predetermined_share", "sweep_targeted_share", "sweep_transmission_share"),
    ),
)
COVENANTS = tuple(key for key, field in FIELDS.items() if key.startswith("lockup_") and field.kind == "ratio")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MONTH = re.compile(r"(?P<month>\d{2})/(?P<year>\d{4})|(?P<iso_year>\d{4})-(?P<iso_month>\d{2})(?:-\d{2})?")


def consistent(records: Records) -> tuple[dict[str, Record], tuple[str, ...]]:
    """The records after all rules, and a note for each rule that did something."""
    changed, notes = dict(records), []
    for rule in IMPLIED:
        details = [key for key in rule.details if _has(changed, key)]
        found = changed[rule.flag].found
        if details and found is not None and _is(changed, rule.flag, "No"):
            changed[rule.flag] = replace(changed[rule.flag], found=replace(found, value="Yes"))
            notes.append(f"{_names(rule.flag)} is Yes, not No: there is a value of {_names(*details)}")
    checks = (_syndication, _covenants, _readiness, _rate_type, _date_order)
    notes += [note for check in checks if (note := check(changed))]
    return changed, tuple(notes)


def _syndication(records: Records) -> str:
    share = _NUMBER.search(_value(records, "house_bank_share"))
    if share is None:
        return ""
    is_whole = float(share.group()) >= 100.0
    if _is(records, "syndicated", "Yes" if is_whole else "No"):
        others = "no other lender's" if is_whole else "others'"
        return f"{_names('house_bank_share')} leaves {others} share, against {_names('syndicated')}"
    return ""


def _covenants(records: Records) -> str:
    levels = [key for key in COVENANTS if _has(records, key)]
    if levels and _is(records, "financial_covenants", "No"):
        return f"{_names('financial_covenants')} is No, yet there is a value of {_names(*levels)}"
    return ""


def _readiness(records: Records) -> str:
    year, signed = (
        _NUMBER.search(_value(records, "readiness_year")),
        _months(_value(records, "inception_date")),
    )
    if year is None or signed is None or not _is(records, "readiness", FIELDS["readiness"].choices[0]):
        return ""
    # what was running when the agreement was signed was not finished in a later year
    if float(year.group()) > (signed - 1) // 12:
        return f"{_names('readiness_year')} lies after {_names('inception_date')}, yet it is in operation"
    return ""


def _rate_type(records: Records) -> str:
    if _has(records, "fixed_rate") and _has(records, "base_rate"):
        return f"there is a value of {_names('fixed_rate', 'base_rate')}, of which one facility has one"
    return ""


def _date_order(records: Records) -> str:
    first, last = (_months(_value(records, key)) for key in ("inception_date", "maturity_date"))
    if first is not None and last is not None and last <= first:
        return f"{_names('maturity_date')} is not after {_names('inception_date')}"
    return ""


def _months(text: str) -> int | None:
    match = _MONTH.fullmatch(text)
    if match is None:
        return None
    year, month = match["year"] or match["iso_year"], match["month"] or match["iso_month"]
    return 12 * int(year) + int(month)


def _value(records: Records, key: str) -> str:
    found = records[key].found
    return "" if found is None else found.value


def _has(records: Records, key: str) -> bool:
    return bool(_value(records, key))


def _is(records: Records, key: str, word: str) -> bool:
    return _has(records, key) and canonical(FIELDS[key], _value(records, key)) == canonical(FIELDS[key], word)


def _names(*keys: str) -> str:
    return ", ".join(f'"{FIELDS[key].name}"' for key in keys)
