"""What is the case: a borrower, those around it, and its loans. No text yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Rows = tuple[tuple[date, Decimal], ...]
"""Dates with the percentage that falls on each; together 100."""

Repayment = Literal["bullet", "instalments"]
RATIOS = (
    "lockup_bdscr",
    "lockup_fdscr",
    "lockup_llcr",
    "lockup_icr",
    "lockup_net_debt_ebitda",
    "lockup_dividend_cover",
    "lockup_net_debt_rab",
    "lockup_debt_equity",
)
CEILINGS = frozenset({"lockup_net_debt_ebitda", "lockup_net_debt_rab", "lockup_debt_equity"})
"""Ratios that must not be exceeded; the others must be reached."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """A loan's hedge; `notional` in thousands is `share` percent of the loan's limit."""

    instrument: str
    start: date
    end: date
    rate: Decimal
    notional: int
    spread: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class Loan:
    """One facility; amounts in thousands, rates and shares in percent.

    `lenders` are names with commitments that sum to `limit`, the house bank first with `house_share` percent.
    A loan has either a `fixed_rate` or the rates of a floating one.
    """

    name: str
    type: str
    senior: str
    currency: str
    limit: int
    lenders: tuple[tuple[str, int], ...]
    house_share: Decimal
    signed: date
    maturity: date
    drawdown_text: str
    drawdown: Rows
    repayment: Repayment
    repayment_text: str
    repayments: Rows
    fixed_rate: Decimal | None
    base_rate: str
    tenor: str
    spread: Decimal
    floor: Decimal
    cap: Decimal
    hedge: Hedge
    sweep: str
    swept: Decimal
    upfront_fee: Decimal
    commitment_fee: Decimal
    lc_fee: Decimal


@dataclass(frozen=True, slots=True)
class World:
    """A deal. `lock_ups` and `defaults` are ratios by field key: distributions stop before a default."""

    borrower: str
    house_bank: str
    sponsor: str
    ownership: Decimal
    holdco: str
    guarantor: str
    contractor: str
    is_turnkey: bool
    offtaker: str
    mitigant: str
    applied_to: str
    volume_rule: str
    volume: Decimal
    nace: str
    sector: str
    country: str
    readiness: str
    ready: date
    lock_ups: Mapping[str, Decimal]
    defaults: Mapping[str, Decimal]
    plcr: Decimal
    minimum_cash: int
    equity_reserve: int
    currency: str
    others: tuple[str, ...]
    loans: tuple[Loan, ...]
