"""Worlds by chance, in which the numbers agree with each other."""

from __future__ import annotations

import calendar
from datetime import date
from decimal import Decimal
from random import Random

from harness.extraction.corpus.knobs import FAMILIES, MOST_FACILITIES, Knobs
from harness.extraction.corpus.words import Wording
from harness.extraction.corpus.world import CEILINGS, RATIOS, Hedge, Loan, Repayment, Rows, World
from harness.extraction.schema import FIELDS

_STEMS = (
    "Alder Ash Aspen Beech Birch Bramble Briar Cedar Clover Cypress Elder Elm Fern Fir Hawthorn Hazel "
    "Heather Holly Ivy Juniper Larch Laurel Linden Maple Myrtle Nettle Olive Osier Poplar Rowan "
    "Agate Amber Basalt Beryl Chalk Cobalt Copper Coral Flint Garnet Gneiss Granite Gypsum Jasper Marble "
    "Marl Mica Nickel Onyx Opal Pumice Quartz Sandstone Schist Shale Slate Talc Topaz Tuff Zircon "
    "Avocet Bittern Bunting Curlew Dipper Dotterel Dunlin Egret Fulmar Gannet Godwit Grebe Harrier Heron "
    "Kestrel Kittiwake Lapwing Linnet Martin Merlin Osprey Ouzel Pipit Plover Redstart Sandpiper Shrike "
    "Siskin Tern Whimbrel"
).split()
_PER_FAMILY = 30
_ACTIVITIES = {
    "Renewable energy": ("Wind Power", ("D35.11", "D35.12")),
    "Conventional power": ("Thermal Power", ("D35.11",)),
    "Utilities and networks": ("Water Networks", ("E36.00", "D35.13", "D35.22")),
    "Transport": ("Motorway", ("H52.21", "H49.10")),
    "Telecommunications": ("Fibre Networks", ("J61.10", "J61.20")),
    "Social infrastructure": ("Hospitals", ("Q86.10", "P85.20")),
    "Natural resources": ("Quarries", ("B08.11", "B06.20")),
}
_COUNTRIES = (
    "Portugal Spain France Italy Germany Poland Denmark Ireland Finland Belgium Austria Greece Romania "
    "Norway Sweden Croatia Lithuania Chile"
).split()
_TYPES = ("revolving credit", "letter of credit", "VAT", "debt service reserve", "capex")
_RATES = {"EUR": ("EURIBOR",), "GBP": ("SONIA",), "USD": ("SOFR",)}
_HEDGES = ("interest rate swap", "interest rate cap", "interest rate collar")


def draw_world(r: Random, knobs: Knobs, wording: Wording) -> World:
    """A deal and its loans. Families draw from names of their own."""
    first = _PER_FAMILY * FAMILIES.index(wording.family)
    stems = r.sample(_STEMS[first : first + _PER_FAMILY], 18)
    sector = r.choice(list(_ACTIVITIES))
    activity, codes = _ACTIVITIES[sector]
    currency = r.choice(list(_RATES))
    lock_ups = {key: _ratio(r, key) for key in RATIOS}
    lenders = [f"{stem} {r.choice(('Bank', 'Credit', 'Savings Bank'))}" for stem in stems[6:12]]
    drawn = r.randint(1, MOST_FACILITIES)
    count = knobs.facilities or drawn
    is_ready = r.random() < 0.5
    signed = _month_end(r.randint(2016, 2026), r.randint(1, 12))
    ready = _later(signed, -r.randint(6, 60) if is_ready else r.randint(6, 36))
    return World(
        borrower=f"{stems[0]} {activity} {r.choice(('Ltd', 'GmbH', 'SA', 'BV'))}",
        house_bank=lenders[0],
        sponsor=f"{stems[1]} Partners",
        ownership=Decimal(r.randint(51, 100)) if r.random() < 0.7 else Decimal(r.randint(501, 999)) / 10,
        holdco=f"{stems[2]} Holdings {r.choice(('Ltd', 'BV'))}",
        guarantor=f"{stems[3]} Industries",
        contractor=f"{stems[4]} Engineering",
        is_turnkey=r.random() < 0.75,
        offtaker=f"{stems[5]} Trading",
        mitigant=r.choice(FIELDS["mitigant_type"].choices),
        applied_to=r.choice(FIELDS["mitigant_applied_to"].choices),
        volume_rule=r.choice(FIELDS["volume_constraint"].choices),
        volume=Decimal(r.randrange(40, 101, 5)),
        nace=r.choice(codes),
        sector=sector,
        country=r.choice(_COUNTRIES),
        readiness="In operation" if is_ready else "Construction needed",
        ready=ready,
        lock_ups=lock_ups,
        defaults={key: _default(r, key, lock_ups[key]) for key in RATIOS},
        plcr=lock_ups["lockup_llcr"] + Decimal(r.randint(10, 30)) / 100,
        minimum_cash=r.randrange(500, 9_000, 250),
        equity_reserve=r.randrange(9_500, 20_000, 250),
        currency=currency,
        others=tuple(f"{stem} Advisers" for stem in stems[12:15]),
        loans=_loans(r, wording, count, currency, signed, lenders),
    )


def _loans(
    r: Random, wording: Wording, count: int, currency: str, signed: date, lenders: list[str]
) -> tuple[Loan, ...]:
    types = ("term loan", *r.sample(_TYPES, count - 1))
    is_numbered = r.random() < 0.5
    names = [wording.numbered[n] if is_numbered else wording.named[each] for n, each in enumerate(types)]
    limits = [thousand * 1000 for thousand in r.sample(range(8, 400), count)]
    senior = r.choice(wording.senior)
    return tuple(
        _loan(r, wording, name, kind, senior, currency, limit, signed, lenders)
        for name, kind, limit in zip(names, types, limits, strict=True)
    )


def _loan(
    r: Random,
    wording: Wording,
    name: str,
    kind: str,
    senior: str,
    deal_currency: str,
    limit: int,
    signed: date,
    lenders: list[str],
) -> Loan:
    currency = deal_currency if r.random() < 0.85 else r.choice(list(_RATES))
    maturity = _later(signed, r.randint(60, 300))
    share = Decimal(r.randrange(50, 600, 25)) / 10
    repayment: Repayment = "bullet" if r.random() < 0.35 else "instalments"
    hedged = Decimal(r.randrange(500, 1000, 25)) / 10
    start = _later(signed, r.randint(0, 3))
    return Loan(
        name=name,
        type=kind,
        senior=senior,
        currency=currency,
        limit=limit,
        lenders=_split_limit(r, limit, share, lenders),
        house_share=share,
        signed=signed,
        maturity=maturity,
        drawdown_text=r.choice(wording.texts["drawdown"]),
        drawdown=_rows(r, _later(signed, 1), 3, r.randint(2, 5)),
        repayment=repayment,
        repayment_text=r.choice(wording.texts[repayment]),
        repayments=_repayments(r, repayment, maturity),
        fixed_rate=Decimal(r.randrange(250, 650, 5)) / 100 if r.random() < 0.15 else None,
        base_rate=r.choice(_RATES[currency]),
        tenor=r.choice(("1M", "3M", "6M")),
        spread=Decimal(r.randrange(80, 450, 5)) / 100,
        floor=Decimal(r.randrange(0, 125, 25)) / 100,
        cap=Decimal(r.randrange(450, 900, 25)) / 100,
        hedge=Hedge(
            instrument=r.choice(_HEDGES),
            start=start,
            end=_later(maturity, -12 * r.randint(0, 4)),
            rate=Decimal(r.randrange(100, 440, 1)) / 100,
            notional=int(limit * hedged / 100),
            spread=Decimal(r.randrange(5, 45, 1)) / 100,
            share=hedged,
        ),
        sweep=r.choice(FIELDS["sweep_structure"].choices),
        swept=Decimal(r.randrange(20, 101, 5)),
        upfront_fee=Decimal(r.randrange(50, 250, 5)) / 100,
        commitment_fee=Decimal(r.randrange(25, 120, 5)) / 100,
        lc_fee=Decimal(r.randrange(50, 260, 5)) / 100,
    )


def _split_limit(r: Random, limit: int, share: Decimal, lenders: list[str]) -> tuple[tuple[str, int], ...]:
    """The house bank has its share, the others what is left in parts of at least one thousand."""
    house = int(limit * share / 100)
    others = r.sample(lenders[1:], r.randint(1, len(lenders) - 1))
    cuts = sorted(r.sample(range(1, limit - house), len(others) - 1))
    parts = [high - low for low, high in zip((0, *cuts), (*cuts, limit - house), strict=True)]
    return ((lenders[0], house), *zip(others, parts, strict=True))


def _repayments(r: Random, repayment: Repayment, maturity: date) -> Rows:
    if repayment == "bullet":
        return ((maturity, Decimal(100)),)
    count = r.randint(4, 10)
    return _rows(r, _later(maturity, -6 * (count - 1)), 6, count)


def _rows(r: Random, first: date, months: int, count: int) -> Rows:
    """Shares in halves of a percent, together 100."""
    cuts = sorted(r.sample(range(1, 200), count - 1))
    halves = [high - low for low, high in zip((0, *cuts), (*cuts, 200), strict=True)]
    return tuple((_later(first, months * n), Decimal(half) / 2) for n, half in enumerate(halves))


def _ratio(r: Random, key: str) -> Decimal:
    low, high = (300, 800) if key in CEILINGS else (110, 240)
    return Decimal(r.randrange(low, high, 5)) / 100


def _default(r: Random, key: str, lock_up: Decimal) -> Decimal:
    """On the far side of the lock-up."""
    apart = Decimal(r.randrange(5, 10, 1)) / 100
    return lock_up + 10 * apart if key in CEILINGS else lock_up - apart


def _later(when: date, months: int) -> date:
    month = when.year * 12 + when.month - 1 + months
    return _month_end(month // 12, month % 12 + 1)


def _month_end(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])
