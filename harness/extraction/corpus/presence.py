"""Which fields have a value: groups and single values are cut until the share of absent ones is reached.

A value that can be told from others that stay is never called absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from harness.extraction.corpus.facts import SWEPT, Fact, Key
from harness.extraction.corpus.world import RATIOS, World
from harness.extraction.schema import FIELDS

GATES: Mapping[str, tuple[str, ...]] = {
    "sponsor_linked": ("sponsor_name", "sponsor_ownership"),
    "holdco_linked": ("holdco_name",),
    "completion_guarantees": ("completion_guarantor",),
    "dc_contractor_present": ("dc_contractor_name", "turnkey_contract"),
    "revenue_mitigants": (
        "mitigant_type",
        "mitigant_guarantor",
        "mitigant_applied_to",
        "volume_constraint",
        "volume_share",
    ),
    "financial_covenants": RATIOS,
    "syndicated": ("house_bank_share",),
    "house_bank_commitment": ("house_bank_share",),
    "hedged": (
        "hedging_instrument",
        "hedge_effective_date",
        "hedge_fixed_rate",
        "hedge_maturity_date",
        "hedge_notional",
        "hedge_spread",
        "hedged_share",
    ),
    "cash_sweep": ("sweep_structure", *SWEPT.values()),
}
"""Fields that are Yes as soon as one of others has a value."""

TOLD_BY: Mapping[str, tuple[str, ...]] = {
    **GATES,
    "facility_name": ("tranche_type", "credit_limit"),
    "currency": ("credit_limit",),
    "sweep_structure": tuple(SWEPT.values()),
}
"""Fields that can be told from any of others."""

_NEVER_CUT = frozenset({"facility_name", "tranche_type", "currency", "credit_limit"})
_CUT_TOGETHER: Mapping[str, tuple[str, ...]] = {
    "maturity_date": ("repayment_schedule",),
    "repayment_schedule_text": ("repayment_schedule",),
    "hedged_share": ("hedge_notional",),
    "sweep_structure": tuple(SWEPT.values()),
    "readiness_year": ("readiness_month",),
    "syndicated": ("house_bank_share", "house_bank_commitment"),
}
"""What goes with a field, because it could be told from it."""
_OPEN_NO = 0.5
_OVERSHOOT = 2


@dataclass(frozen=True, slots=True)
class Present:
    """Facts that hold; those in `told` have no statement of their own, they follow from others."""

    facts: Mapping[Key, Fact]
    told: frozenset[Key]


def present(facts: Mapping[Key, Fact], world: World, absent: float, r: Random) -> Present:
    """Cut until `absent` of all fields of the deal and of each facility have no value, or as near as it
    gets: some values cannot be missing from any company."""
    deal = sum(field.scope == "deal" for field in FIELDS.values())
    units = deal + (len(FIELDS) - deal) * len(world.loans)
    target = round(absent * units)
    left = dict(facts)
    bullets = {loan.name for loan in world.loans if loan.repayment == "bullet"}
    cuts = [key for key in left if key[1] not in _NEVER_CUT]
    r.shuffle(cuts)
    for cut in cuts:
        missing = units - len(left)
        if missing >= target:
            break
        gone = _gone(cut, left, cut[0] in bullets)
        if len(gone) <= target - missing + _OVERSHOOT:
            fact = left.get(cut)
            for key in gone:
                del left[key]
            if fact is not None and cut in gone and _can_be_no(cut, left) and r.random() < _OPEN_NO:
                left[cut] = replace(fact, value="No", forms=())
    return Present(left, frozenset(_told(left, bullets, r)))


def _gone(cut: Key, left: Mapping[Key, Fact], is_bullet: bool) -> list[Key]:
    """Everything that goes with a cut; empty where it must stay."""
    owner, key = cut
    if cut not in left or left[cut].value == "No":
        return []
    if key == "repayment_schedule" and is_bullet:
        return []
    # that of instalments says nothing about their dates
    together = () if key == "repayment_schedule_text" and not is_bullet else _CUT_TOGETHER.get(key, ())
    others = (*GATES.get(key, ()), *together)
    keys = dict.fromkeys((key, *others))
    return [(owner, each) for each in keys if (owner, each) in left]


def _can_be_no(cut: Key, left: Mapping[Key, Fact]) -> bool:
    return FIELDS[cut[1]].kind == "yes_no"


def _told(left: Mapping[Key, Fact], bullets: set[str], r: Random) -> list[Key]:
    """Those whose own statement is left out, half of those that could be, and bullets' schedules."""
    told = [(owner, key) for owner, key in left if key == "repayment_schedule" and owner in bullets]
    for owner, key in left:
        others = [(owner, each) for each in TOLD_BY.get(key, ())]
        can = any(each in left and tells(left[each]) for each in others)
        if can and left[owner, key].value != "No" and r.random() < 0.5:
            told.append((owner, key))
    return told


def tells(fact: Fact) -> bool:
    """Whether other fields follow from it: a No says nothing more."""
    return fact.value != "No"
