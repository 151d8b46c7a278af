"""The fields, their cues, and the sentences they are written into. Tables only.

A clause is `{opening}{frame}{tail}.`; a frame holds one cue and, to the right of it, one value, so that
what a value is can be read from its left. `{a}` is the cue's article and `{Cue}` the cue with a capital.
Frames, openings and tails of HELD_* are never shown in training; their words are, in other places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["party", "term", "money", "percent", "ratio", "duration", "capacity", "date"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to extract: what it is called in questions and, by its `cues`, in passages.

    `group` is the field group of the credit documents it comes from. `endings` are what a name or term of
    this field may end with. `lookalikes` are cues of something similar that is never asked for.
    """

    key: str
    label: str
    kind: Kind
    group: str
    cues: tuple[str, ...]
    lookalikes: tuple[str, ...]
    endings: tuple[str, ...] = ()


_COMPANY = ("Ltd", "Holdings", "Energy", "Partners", "Group", "Capital", "")
_BANK = ("Bank", "Trust", "Finance", "Credit", "Bank", "")

FIELDS: tuple[Field, ...] = (
    Field(
        "borrower_name",
        "borrower",
        "party",
        "basic_info",
        ("borrower", "borrowing company", "debtor"),
        ("tenant", "land owner"),
        _COMPANY,
    ),
    Field(
        "facility_amount",
        "facility amount",
        "money",
        "basic_info",
        ("facility amount", "loan amount", "credit limit"),
        ("project cost", "purchase price"),
    ),
    Field(
        "sponsor_name",
        "sponsor",
        "party",
        "sponsor_info",
        ("sponsor", "project sponsor", "equity sponsor"),
        ("minority investor", "former owner"),
        _COMPANY,
    ),
    Field(
        "sponsor_ownership",
        "ownership share",
        "percent",
        "sponsor_info",
        ("ownership share", "ownership stake", "shareholding"),
        ("free float", "pension share"),
    ),
    Field(
        "sector",
        "sector",
        "term",
        "project_details",
        ("sector", "business sector", "industry"),
        ("side business", "technology used"),
        ("power", "farming", "storage", "transport", "services", "networks"),
    ),
    Field(
        "country",
        "country",
        "term",
        "project_details",
        ("country", "project country", "host country"),
        ("tax residence", "nearest port"),
        ("", "", "", "Islands", "Republic"),
    ),
    Field(
        "capacity",
        "capacity",
        "capacity",
        "project_details",
        ("capacity", "installed capacity", "plant size"),
        ("daily output", "grid load"),
    ),
    Field(
        "contractor_name",
        "contractor",
        "party",
        "construction_guarantees",
        ("contractor", "building contractor", "construction company"),
        ("plant operator", "insurer"),
        ("Works", "Build", "Engineering", "Group", ""),
    ),
    Field(
        "offtaker_name",
        "offtaker",
        "party",
        "revenue_mitigants",
        ("offtaker", "power offtaker", "power buyer"),
        ("fuel supplier", "grid company"),
        _COMPANY,
    ),
    Field(
        "minimum_cash",
        "minimum cash",
        "money",
        "covenants_general",
        ("minimum cash", "minimum cash balance", "cash floor"),
        ("insured sum", "yearly rent"),
    ),
    Field(
        "interest_cover",
        "interest cover",
        "ratio",
        "covenants_ratios",
        ("interest cover", "interest cover ratio", "interest coverage"),
        ("dividend cover", "loan life cover"),
    ),
    Field(
        "leverage_ratio",
        "leverage ratio",
        "ratio",
        "covenants_ratios",
        ("leverage ratio", "leverage", "net debt ratio"),
        ("quick ratio", "stock ratio"),
    ),
    Field(
        "facility_agent",
        "facility agent",
        "party",
        "syndication",
        ("facility agent", "agent bank", "loan agent"),
        ("security agent", "account bank"),
        _BANK,
    ),
    Field(
        "signing_date",
        "signing date",
        "date",
        "dates_schedules",
        ("signing date", "date of signing", "signature date"),
        ("audit date", "waiver date"),
    ),
    Field(
        "maturity_date",
        "maturity date",
        "date",
        "dates_schedules",
        ("maturity date", "final maturity", "final repayment date"),
        ("hedge end date", "longstop date"),
    ),
    Field(
        "availability_period",
        "availability period",
        "duration",
        "dates_schedules",
        ("availability period", "drawdown period", "availability"),
        ("notice period", "warranty period"),
    ),
    Field(
        "margin",
        "margin",
        "percent",
        "pricing",
        ("margin", "interest margin", "credit spread"),
        ("default interest", "tax rate"),
    ),
    Field(
        "base_rate",
        "base rate",
        "term",
        "pricing",
        ("base rate", "reference rate", "interest benchmark"),
        ("price index", "rating model"),
    ),
    Field(
        "hedged_share",
        "hedged share",
        "percent",
        "hedging",
        ("hedged share", "hedge ratio", "hedged part"),
        ("merchant share", "insured share"),
    ),
    Field(
        "cash_sweep",
        "cash sweep",
        "percent",
        "cash_sweep",
        ("cash sweep", "sweep rate", "sweep share"),
        ("dividend rate", "discount rate"),
    ),
    Field(
        "upfront_fee",
        "upfront fee",
        "percent",
        "fees",
        ("upfront fee", "arrangement fee", "front end fee"),
        ("agency fee", "exit fee"),
    ),
    Field(
        "commitment_fee",
        "commitment fee",
        "percent",
        "fees",
        ("commitment fee", "undrawn fee", "standby fee"),
        ("waiver fee", "guarantee fee"),
    ),
    Field(
        "governing_law",
        "governing law",
        "term",
        "legal",
        ("governing law", "applicable law", "choice of law"),
        ("tax law", "insolvency law"),
        ("law",),
    ),
    Field(
        "law_firm",
        "law firm",
        "party",
        "legal",
        ("law firm", "legal adviser", "legal counsel"),
        ("tax adviser", "model auditor"),
        ("LLP", "Legal", "Partners", "LLP", ""),
    ),
)

Family = Literal["party", "term", "amount", "date"]
FAMILY: dict[Kind, Family] = {
    "party": "party",
    "term": "term",
    "date": "date",
    "money": "amount",
    "percent": "amount",
    "ratio": "amount",
    "duration": "amount",
    "capacity": "amount",
}

_SHARED = (
    "the {cue} is {value}",
    "the {cue} shall be {value}",
    "{Cue}: {value}",
    "{Cue} - {value}",
    "the {cue} in this contract is {value}",
    "for the {cue} the contract says {value}",
    "the contract gives as {cue} {value}",
)
_SHARED_HELD = (
    "the {cue} for this deal is {value}",
    "the {cue} will be {value}",
    "the {cue} given in the report is {value}",
)
FRAMES: dict[Family, tuple[str, ...]] = {
    "party": (
        *_SHARED,
        "the {cue} is the company {value}",
        "as {cue} acts {value}",
        "the role of {cue} goes to {value}",
        "the parties appoint as {cue} {value}",
        "the {cue} named below is {value}",
    ),
    "term": (
        *_SHARED,
        "the {cue} was given as {value}",
        "the parties chose as {cue} {value}",
        "for the {cue} the parties chose {value}",
        "the {cue} named below is {value}",
        "the lenders note as {cue} {value}",
    ),
    "amount": (
        *_SHARED,
        "the {cue} amounts to {value}",
        "the {cue} was set at {value}",
        "the parties agree on {a} {cue} of {value}",
        "the lenders accept {a} {cue} of {value}",
        "the {cue} stands at {value}",
        "there is {a} {cue} of {value}",
    ),
    "date": (
        *_SHARED,
        "the {cue} falls on {value}",
        "the {cue} was set for {value}",
        "as {cue} the parties chose {value}",
        "the {cue} named below is {value}",
        "the parties agree on {a} {cue} of {value}",
    ),
}
HELD_FRAMES: dict[Family, tuple[str, ...]] = {
    "party": (
        *_SHARED_HELD,
        "the task of {cue} falls to {value}",
        "the lenders accept as {cue} the company {value}",
    ),
    "term": (
        *_SHARED_HELD,
        "the lenders agree on the {cue} {value}",
        "as {cue} the contract names {value}",
    ),
    "amount": (
        *_SHARED_HELD,
        "the contract sets the {cue} at {value}",
        "the {cue} was fixed by the parties at {value}",
    ),
    "date": (
        *_SHARED_HELD,
        "the contract sets the {cue} for {value}",
        "the {cue} was fixed by the parties as {value}",
    ),
}

SCRAMBLED = tuple(
    "a accept an all as at be below both by company contract deal each file first fixed for from given goes "
    "here in is it last lenders list named names no not note noted of on or other parties report said sent "
    "set sets shall side so stands task terms that then there this to under until was will with".split()
)
OPENINGS = (
    "Under the term sheet, ",
    "As agreed, ",
    "In the first part, ",
    "For the record, ",
    "On these terms, ",
    "According to the file, ",
)
HELD_OPENINGS = ("Under the contract, ", "According to the report, ", "In these terms, ")
TAILS = (
    " as set out below",
    " under the contract",
    ", as agreed",
    " at all times",
    " for the whole term",
    ", subject to review",
)
HELD_TAILS = (" as agreed in the file", ", subject to the report", " under these terms")

FILLER_SUBJECTS = (
    "The parties",
    "The lenders",
    "Both sides",
    "The advisers",
    "The directors",
    "All members of the group",
    "The accounting team",
    "The persons named below",
)
FILLER_VERBS = (
    "have read",
    "will keep",
    "shall review",
    "may change",
    "accept",
    "have signed",
    "will send",
    "must approve",
)
FILLER_OBJECTS = (
    "the report by the end of the year",
    "a copy of this file",
    "the first draft of the deal",
    "the list of open points",
    "the terms fixed in this file",
    "all letters sent by the other side",
    "the plan that sets out the next task",
    "the table of names and numbers",
)
FILLERS = (
    "Headings are for ease of reading only",
    "Nothing in this part limits any other right",
    "Words in the plural include the singular",
    "No person may rely on an earlier draft",
    "The contract names all parties and sets out what each will do",
    "Numbers are given as fixed by the auditors of the group",
    "This file was given to all sides",
    "Each deal stands for itself",
)
HEADINGS = ("Summary of terms", "Key terms", "Part one", "Part two", "Further terms", "General", "Notes")
