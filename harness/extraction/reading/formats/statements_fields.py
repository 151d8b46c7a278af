"""From what the model `statements` says of a line to our fields, and what follows from a statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import cache
from types import MappingProxyType

from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import canonical
from harness.models.tasks.statements import CODES
from harness.models.tasks.statements_wording import LOCKED, THINGS, Thing

FIELDS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "borrower": ("borrower_name",),
        "senior": ("senior_facility_name",),
        "name": (),
        "type": ("tranche_type",),
        "currency": ("currency",),
        "limit": ("credit_limit",),
        "syndicated": ("syndicated",),
        "house": ("house_bank_commitment",),
        "houseshare": ("house_bank_share",),
        "signed": ("inception_date",),
        "maturity": ("maturity_date",),
        "refinance": ("refinancing_expected",),
        "draws": ("drawdown_schedule_text",),
        "repays": ("repayment_schedule_text",),
        "drawtable": ("drawdown_schedule",),
        "repaytable": ("repayment_schedule",),
        "base": ("base_rate",),
        "tenor": ("rate_tenor",),
        "fixed": ("fixed_rate",),
        "margin": ("spread",),
        "floor": ("rate_floor",),
        "cap": ("rate_cap",),
        "hedged": ("hedged",),
        "hedge": ("hedging_instrument",),
        "hedgestart": ("hedge_effective_date",),
        "hedgerate": ("hedge_fixed_rate",),
        "hedgeend": ("hedge_maturity_date",),
        "notional": ("hedge_notional",),
        "hedgespread": ("hedge_spread",),
        "hedgeshare": ("hedged_share",),
        "swept": ("cash_sweep",),
        "sweeptype": ("sweep_structure",),
        "sweepfixed": ("sweep_predetermined_share",),
        "sweeptarget": ("sweep_targeted_share",),
        "sweepgrid": ("sweep_transmission_share",),
        "upfront": ("upfront_fee",),
        "commitment": ("commitment_fee",),
        "lcfee": ("lc_issuance_fee",),
        "sponsored": ("sponsor_linked",),
        "sponsor": ("sponsor_name",),
        "stake": ("sponsor_ownership",),
        "heldco": ("holdco_linked",),
        "holdco": ("holdco_name",),
        "nace": ("nace_sector",),
        "sector": ("aggregated_sector",),
        "country": ("country",),
        "ready": ("readiness",),
        "readydate": ("readiness_year", "readiness_month"),
        "guaranteed": ("completion_guarantees",),
        "guarantor": ("completion_guarantor",),
        "built": ("dc_contractor_present",),
        "turnkey": ("turnkey_contract",),
        "contractor": ("dc_contractor_name",),
        "mitigated": ("revenue_mitigants",),
        "mitigant": ("mitigant_type",),
        "offtaker": ("mitigant_guarantor",),
        "covers": ("mitigant_applied_to",),
        "volumerule": ("volume_constraint",),
        "volume": ("volume_share",),
        "dsra": ("dsra",),
        "covenants": ("financial_covenants",),
        "mincash": ("lockup_minimum_cash",),
        "minequity": ("lockup_minimum_equity_reserve",),
        "bdscr": ("lockup_bdscr",),
        "fdscr": ("lockup_fdscr",),
        "llcr": ("lockup_llcr",),
        "icr": ("lockup_icr",),
        "leverage": ("lockup_net_debt_ebitda",),
        "divcover": ("lockup_dividend_cover",),
        "rab": ("lockup_net_debt_rab",),
        "gearing": ("lockup_debt_equity",),
    }
)
"""The model's codes and the fields that they fill; a code's value may hold several."""
assert set(FIELDS_OF) == set(CODES)

IMPLIED: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        **dict.fromkeys(("sponsor", "stake"), (("sponsor_linked", "Yes"),)),
        "holdco": (("holdco_linked", "Yes"),),
        "guarantor": (("completion_guarantees", "Yes"),),
        "contractor": (("dc_contractor_present", "Yes"),),
        "turnkey": (("dc_contractor_present", "Yes"),),
        **dict.fromkeys(
            ("mitigant", "offtaker", "covers", "volumerule", "volume"), (("revenue_mitigants", "Yes"),)
        ),
        **dict.fromkeys(
            ("bdscr", "fdscr", "llcr", "icr", "leverage", "divcover", "rab", "gearing"),
            (("financial_covenants", "Yes"),),
        ),
        "houseshare": (("house_bank_commitment", "Yes"), ("syndicated", "Yes")),
        **dict.fromkeys(
            ("hedge", "hedgestart", "hedgerate", "hedgeend", "notional", "hedgespread", "hedgeshare"),
            (("hedged", "Yes"),),
        ),
        "sweeptype": (("cash_sweep", "Yes"),),
        "sweepfixed": (("cash_sweep", "Yes"), ("sweep_structure", "Predetermined")),
        "sweeptarget": (("cash_sweep", "Yes"), ("sweep_structure", "Targeted")),
        "sweepgrid": (("cash_sweep", "Yes"), ("sweep_structure", "Transmission asset")),
    }
)
"""What a statement of a code also says, unless it says no: who describes a hedge says that there is one."""

_CHOICES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "aggregated_sector": (
            (r"telecom|fibre|fiber|broadband|\bmast|tower|\bdata\b|mobile", "Telecommunications"),
            (r"renewable|wind|solar|photovolt|hydro|green|turbine|biomass|geotherm", "Renewable energy"),
            (r"conventional|thermal|gas.fired|coal|fossil|nuclear|combined cycle", "Conventional power"),
            (r"transport|road|rail|motorway|highway|airport|\bport|bridge|tunnel", "Transport"),
            (
                r"social|hospital|school|clinic|college|housing|prison|universit|public building",
                "Social infrastructure",
            ),
            (r"natural res|mining|\bmine|\bore|\boil\b|quarr|forest|mineral|extract", "Natural resources"),
            (r"utilit|network|pipe|cable|grid|water|sewer|district heat|supply", "Utilities and networks"),
        ),
        "readiness": (
            (
                r"needed|under construction|\bnot\b|to be|being built|unfinished|incomplete|still",
                "Construction needed",
            ),
            (r"operat|complete|running|produc|selling|\bbuilt|commission", "In operation"),
        ),
        "mitigant_type": (
            (r"difference|\bcfd", "Contract for difference"),
            (r"feed.?in", "Feed-in tariff"),
            (r"availability", "Availability payment"),
            (r"off-?take|purchase|\bppa\b", "Offtake agreement"),
            (r"regulat|tariff", "Regulated tariff"),
        ),
        "mitigant_applied_to": ((r"volume|quantit|output", "Price and volume"), (r"price|tariff", "Price")),
        "volume_constraint": ((r"take.{0,4}or.{0,4}pay", "Take or pay"), (r"produc", "Pay as produced")),
        "sweep_structure": (
            (r"transmission|offshore|ofto|link|grid", "Transmission asset"),
            (r"target|balance|level|curve", "Targeted"),
            (r"predetermined|fixed|\bset\b|agreed|percentage|fraction|share", "Predetermined"),
        ),
    }
)
"""Words by which a document's own expression is one of the schema's choices; the first that fits."""

_NUMBER_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "percent": r"\d+(?:[.,]\d+)?\s?(?:%|per\s?cent|percent|basis points|bps?\b)",
        "ratio": r"\d+(?:[.,]\d+)?\s?(?:x\b|times\b|:\s?1(?:\.0+)?\b|to 1\b)",
        "amount": r"(?:[A-Z]{3}|[€$£])\s?\d[\d.,' ]*(?:\s?(?:million|billion|thousand|m|bn|k)\b)?",
        "month": r"\d{1,2}[. ]+[A-Z][a-z]+ \d{4}|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{4}-\d\d-\d\d"
        r"|[A-Z][a-z]+ \d{4}",
    }
)
_DEFAULT = r"\bevents? of default\b|\baccelerat"
_CONTRADICTED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(LOCKED, _DEFAULT),
        "llcr": rf"\bproject life\b|\bPLCR\b|{_DEFAULT}",
        "upfront": r"\bagency fee\b",
        "commitment": r"\bagency fee\b",
    }
)
"""Words beside which a line states something else than these things."""
_THINGS = {thing.code: thing for thing in THINGS}
_OF_KIND = {
    (thing.kind, thing.scope): [
        each for each in THINGS if (each.kind, each.scope) == (thing.kind, thing.scope)
    ]
    for thing in THINGS
}
_MISREAD, _LEAST_COPY = 3, 6
"""Characters of a copy that may be wrong, and that must be right."""
_BEGUN = 2
_REFERENCE = re.compile(
    r",? (?:\((?:see|cf)|in accordance with|subject to|save (?:where|as)|pursuant to|throughout the)\b"
)
_NAMES = frozenset({"name", "country", "facility_name"})
_NAME = re.compile(r"[A-Z0-9][\w.&'-]{2,}")
_TERM = re.compile(r"(?:the )?((?:[A-Z][\w-]*\s+)+\d{1,4}|(?:[A-Z][\w-]*\s+)*[A-Z][\w-]*)")


def thing_of(code: str, line: str) -> str | None:
    """What the line states by its usual terms, where the model took it for another thing of the same kind:
    its own code where the line has a term of it, or no term of any; None where the terms contradict it."""
    if code in _CONTRADICTED and re.search(_CONTRADICTED[code], line, re.IGNORECASE):
        return None
    thing = _THINGS[code]
    lengths = {
        each.code: max((match.end() - match.start() for match in _cues(each).finditer(line)), default=0)
        for each in _OF_KIND[thing.kind, thing.scope]
    }
    best = max(lengths.values())
    if not best or lengths[code] == best:
        return code
    longest = [other for other, length in lengths.items() if length == best]
    return longest[0] if len(longest) == 1 and not lengths[code] else code


@cache
def _cues(thing: Thing) -> re.Pattern[str]:
    """Its terms, the longest first, as whole words."""
    terms = sorted(thing.cues, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, terms))})(?!\w)", re.IGNORECASE)


def value_of(key: str, said: str, line: str) -> str | None:
    """The value that a line states of a field: what the model copied, where the line has it, but for a few
    letters at an end, and it is one of the field's kind; else the only number of that kind in the line; None
    for neither."""
    field = FIELDS[key]
    if field.kind == "yes_no":
        return {"yes": "Yes", "no": "No"}.get(said.strip().lower())
    copied = in_line(said, line)
    if not copied and field.kind == "text":
        copied = _to_the_end(said, line)
    # a heading is no value, and a name begins with a capital
    if copied and copied != line.strip(" .") and not (field.kind in _NAMES and not _NAME.match(copied)):
        value = choice_of(key, copied)
        if value is not None and canonical(field, value) is not None:
            return value
    form = _NUMBER_FORMS.get(field.kind)
    if form is None:
        return None
    numbers = [match.group().strip(" ,.") for match in re.finditer(form, line)]
    values = [number for number in numbers if canonical(field, number) is not None]
    return values[0] if len(values) == 1 else None


def in_line(said: str, line: str) -> str:
    """What of a line a copy is of, empty where it is of nothing: all of the copy stands there, or all but a
    few letters at its ends, which are those of the line's words then."""
    at = line.casefold().find(said.casefold()) if said else -1
    if at >= 0:
        return line[at : at + len(said)]
    match = SequenceMatcher(None, said, line, autojunk=False).find_longest_match()
    if len(said) - match.size > _MISREAD or match.size < _LEAST_COPY:
        return ""
    start, end = match.b, match.b + match.size
    while match.a and start and line[start - 1].isalnum():
        start -= 1
    while match.a + match.size < len(said) and end < len(line) and line[end].isalnum():
        end += 1
    return line[start:end] if abs(end - start - len(said)) <= _MISREAD else ""


def _to_the_end(said: str, line: str) -> str:
    """Words from where a copy begins rightly to the end of its sentence, or to a reference to a clause."""
    begun = " ".join(said.split()[:_BEGUN])
    at = line.find(begun) if len(said.split()) >= _BEGUN else -1
    return "" if at < 0 else _REFERENCE.split(line[at:])[0].strip(" .,;")


def choice_of(key: str, said: str) -> str | None:
    """The schema's choice that an expression names; other fields' values stay as they are."""
    forms = _CHOICES.get(key)
    if forms is None:
        return said
    return next((choice for form, choice in forms if re.search(form, said, re.IGNORECASE)), None)


def defined(text: str, said: str) -> str | None:
    """What the document defines a term as that a line gives instead of a value; None where it has none."""
    match = _TERM.fullmatch(said.strip())
    if match is None:
        return None
    term, verb = rf"[“\"]{re.escape(match[1])}[”\"]", r"(?:shall mean|means|is|shall be)"
    found = re.search(rf"{term}\s+{verb}\s+([^\n]{{1,80}}?)\.?\s*(?:\n|$)", text)
    return found[1] if found else None
