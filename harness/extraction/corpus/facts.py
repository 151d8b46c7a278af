"""What a world says about every field: the value, and the forms in which it may be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random

from harness.extraction.corpus import forms
from harness.extraction.corpus.words import Wording
from harness.extraction.corpus.world import Loan, World
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL
from harness.extraction.values import canonical

Key = tuple[str, str]
"""(facility name or DEAL, field key)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A field's value. `forms` write it, none for a yes or no, which its sentence says by itself; `foreign`
    in the family's other language; `earlier` is what it was before an amendment."""

    owner: str
    key: str
    value: str
    forms: tuple[str, ...] = ()
    foreign: str = ""
    earlier: tuple[str, ...] = ()


def facts_of(world: World, wording: Wording, r: Random) -> dict[Key, Fact]:
    """Everything that could be said, in the schema's order of fields within each owner."""
    facts = list(_deal(world, wording, r))
    for loan in world.loans:
        facts += _facility(world, loan, wording, r)
    return {(fact.owner, fact.key): fact for fact in facts}


def _deal(world: World, wording: Wording, r: Random) -> Iterator[Fact]:
    make = _Maker(DEAL, wording, r)
    for key in (
        "sponsor_linked",
        "holdco_linked",
        "completion_guarantees",
        "dc_contractor_present",
        "revenue_mitigants",
        "dsra",
        "financial_covenants",
    ):
        yield make.yes(key)
    yield make.yes("turnkey_contract", world.is_turnkey)
    for key, name in (
        ("sponsor_name", world.sponsor),
        ("holdco_name", world.holdco),
        ("completion_guarantor", world.guarantor),
        ("dc_contractor_name", world.contractor),
        ("mitigant_guarantor", world.offtaker),
        ("nace_sector", world.nace),
        ("country", world.country),
    ):
        yield make.plain(key, name)
    for key, choice in (
        ("aggregated_sector", world.sector),
        ("readiness", world.readiness),
        ("mitigant_type", world.mitigant),
        ("mitigant_applied_to", world.applied_to),
        ("volume_constraint", world.volume_rule),
    ):
        yield make.choice(key, choice)
    yield make.percent("sponsor_ownership", world.ownership)
    yield make.percent("volume_share", world.volume)
    yield make.fact("readiness_year", (str(world.ready.year),))
    yield make.fact("readiness_month", forms.month(world.ready))
    yield make.amount("lockup_minimum_cash", world.minimum_cash, world.currency)
    yield make.amount("lockup_minimum_equity_reserve", world.equity_reserve, world.currency)
    for key, number in world.lock_ups.items():
        yield make.ratio(key, number)


def _facility(world: World, loan: Loan, wording: Wording, r: Random) -> Iterator[Fact]:
    make = _Maker(loan.name, wording, r)
    yield make.plain("borrower_name", world.borrower)
    yield make.plain("senior_facility_name", loan.senior)
    yield make.plain("facility_name", loan.name)
    yield make.plain("tranche_type", loan.type)
    yield make.fact("currency", forms.CURRENCIES[loan.currency])
    yield make.amount("credit_limit", loan.limit, loan.currency, is_amendable=False)
    for key in ("syndicated", "house_bank_commitment", "refinancing_expected", "hedged", "cash_sweep"):
        yield make.yes(key)
    yield make.percent("house_bank_share", loan.house_share, is_amendable=False)
    yield make.date("inception_date", loan.signed, is_amendable=False)
    yield make.date("maturity_date", loan.maturity, is_amendable=False)
    yield make.plain("drawdown_schedule_text", loan.drawdown_text)
    yield make.plain("repayment_schedule_text", loan.repayment_text)
    yield make.fact("drawdown_schedule", (forms.schedule(loan.drawdown),))
    yield make.fact("repayment_schedule", (forms.schedule(loan.repayments),))
    if loan.fixed_rate is None:
        yield make.plain("base_rate", loan.base_rate)
        yield make.fact("rate_tenor", forms.TENORS[loan.tenor])
        for key, number in (("spread", loan.spread), ("rate_floor", loan.floor), ("rate_cap", loan.cap)):
            yield make.percent(key, number)
    else:
        yield make.percent("fixed_rate", loan.fixed_rate)
    yield make.plain("hedging_instrument", loan.hedge.instrument)
    yield make.date("hedge_effective_date", loan.hedge.start)
    yield make.date("hedge_maturity_date", loan.hedge.end)
    yield make.percent("hedge_fixed_rate", loan.hedge.rate)
    yield make.percent("hedge_spread", loan.hedge.spread)
    yield make.amount("hedge_notional", loan.hedge.notional, loan.currency, is_amendable=False)
    yield make.percent("hedged_share", loan.hedge.share, is_amendable=False)
    yield make.choice("sweep_structure", loan.sweep)
    yield make.percent(SWEPT[loan.sweep], loan.swept)
    yield make.percent("upfront_fee", loan.upfront_fee)
    yield make.percent("commitment_fee", loan.commitment_fee)
    yield make.percent("lc_issuance_fee", loan.lc_fee)


SWEPT: Mapping[str, str] = {
    "Predetermined": "sweep_predetermined_share",
    "Targeted": "sweep_targeted_share",
    "Transmission asset": "sweep_transmission_share",
}
"""The field of the share that is swept, by structure."""


@dataclass(frozen=True, slots=True)
class _Maker:
    """Facts of one owner."""

    owner: str
    wording: Wording
    r: Random

    def fact(
        self, key: str, shown: tuple[str, ...], foreign: str = "", earlier: tuple[str, ...] = ()
    ) -> Fact:
        value = canonical(FIELDS[key], shown[0])
        if value is None:
            raise ValueError(f"{key}: {shown[0]!r} has no form")
        return Fact(self.owner, key, value, shown, foreign, earlier)

    def yes(self, key: str, is_so: bool = True) -> Fact:
        return Fact(self.owner, key, "Yes" if is_so else "No")

    def plain(self, key: str, text: str) -> Fact:
        return self.fact(key, (text,), text)

    def choice(self, key: str, value: str) -> Fact:
        return Fact(self.owner, key, value, (value, *self.wording.choices.get(value, ())))

    def percent(self, key: str, number: Decimal, *, is_amendable: bool = True) -> Fact:
        earlier = self._other(number, forms.percent, most=Decimal(100)) if is_amendable else ()
        return self.fact(key, forms.percent(number), forms.foreign_number(number, " %"), earlier)

    def ratio(self, key: str, number: Decimal) -> Fact:
        return self.fact(
            key, forms.ratio(number), forms.foreign_number(number, "x"), self._other(number, forms.ratio)
        )

    def amount(self, key: str, thousands: int, currency: str, *, is_amendable: bool = True) -> Fact:
        foreign = forms.foreign_amount(thousands, currency, self.wording.language)
        earlier = forms.amount(thousands + 250 * self.r.randint(1, 9), currency) if is_amendable else ()
        return self.fact(key, forms.amount(thousands, currency), foreign, earlier)

    def date(self, key: str, when: date, *, is_amendable: bool = True) -> Fact:
        foreign = forms.foreign_day(when, self.wording.language)
        earlier = forms.day(date(when.year - self.r.randint(1, 2), when.month, 15)) if is_amendable else ()
        return self.fact(key, forms.day(when), foreign, earlier)

    def _other(
        self, number: Decimal, write: Callable[[Decimal], tuple[str, ...]], most: Decimal = Decimal(1000)
    ) -> tuple[str, ...]:
        """An earlier value near this one."""
        step = Decimal(self.r.randint(1, 9)) * (5 if number >= 20 else 1) / (1 if number >= 20 else 10)
        return write(number + step if number + step <= most else number - step)
