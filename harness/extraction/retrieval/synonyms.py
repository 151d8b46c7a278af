"""Terms of loan documents that say the same, and queries widened by them.

Each line is a group, its terms parted by bars, the usual one first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from harness.extraction.retrieval.words import words

PER_TERM = 3

GROUPS = """
borrower | debtor | obligor | issuer
lender | creditor | bank | finance party
facility | loan | credit line | tranche
term loan | term facility | amortising loan
revolving facility | revolver | revolving credit facility | rcf
standby facility | liquidity facility | backup facility
letter of credit | lc | documentary credit
commitment | credit limit | facility amount | loan amount
total commitments | aggregate commitments | facility size
currency | denomination | denominated
sponsor | shareholder | equity investor | promoter
holding company | holdco | parent | parent company
ownership | shareholding | stake | equity interest
subsidiary | affiliate | group company
special purpose vehicle | spv | project company | propco
sector | industry | nace | business activity
country | jurisdiction | territory | location
construction | building works | development phase
in operation | operational | operating phase | commissioned
completion | commercial operation date | cod | taking over
guarantor | surety | warrantor
guarantee | surety bond | warranty | indemnity
completion guarantee | cost overrun guarantee | completion support
contractor | epc contractor | d&c contractor | builder
turnkey | lump sum | fixed price | date certain
offtake | offtaker | purchase agreement | ppa
feed in tariff | subsidy | contract for difference | cfd
availability payment | concession payment | unitary charge
volume | output | quantity | throughput
hedged revenue | contracted revenue | revenue support
debt service reserve account | dsra | reserve account
debt service | principal and interest | scheduled debt service
covenant | undertaking | restriction
lock up | distribution block | dividend block | distribution test
default | event of default | acceleration event
minimum cash | minimum liquidity | cash balance
equity reserve account | equity reserve | contingent equity
debt service cover ratio | dscr | debt service coverage
backward looking | historic | trailing
forward looking | projected | prospective
loan life cover ratio | llcr | loan life coverage
project life cover ratio | plcr | project life coverage
interest cover ratio | icr | interest coverage
leverage | net debt to ebitda | gearing | indebtedness ratio
ebitda | operating profit | cash earnings
dividend cover | distribution cover | dividend coverage
regulated asset base | rab | regulatory asset value
debt to equity | debt equity ratio | gearing ratio
syndicated | syndication | club deal | participation
arranger | bookrunner | mandated lead arranger
agent | facility agent | administrative agent
share | portion | percentage | pro rata
inception | signing date | effective date | closing date
maturity | maturity date | final repayment date | termination date
refinancing | take out | balloon risk
drawdown | utilisation | advance | disbursement
availability period | commitment period | drawing period
repayment | amortisation | instalment | redemption
bullet | balloon | repayment at maturity
base rate | reference rate | benchmark | euribor | sonia | sofr
tenor | interest period | rate period
margin | spread | applicable margin
fixed rate | fixed interest | swap rate
floor | minimum rate | zero floor
cap | maximum rate | ceiling
hedging | swap | interest rate swap | derivative
notional | notional amount | hedged amount
cash sweep | excess cash flow | mandatory prepayment
prepayment | early repayment | voluntary prepayment
upfront fee | arrangement fee | front end fee
commitment fee | undrawn fee | non utilisation fee
issuance fee | lc fee | fronting fee
amendment | restatement | variation | supplemental agreement
"""

Terms = tuple[tuple[str, ...], ...]


def expanded(query: Sequence[str], per_term: int = PER_TERM) -> list[str]:
    """The query's words, then the words of up to `per_term` other terms for each term in it.

    A term is in the query when its words stand there one after another; of those that begin at one word the
    longest counts. A word is added once, and never one that the query has: what was asked weighs no more than
    it did. The order is the query's, then the groups', so it is always the same.
    """
    return _widened(query, _partners(words), per_term)


def expander(
    split: Callable[[str], list[str]], per_term: int = PER_TERM
) -> Callable[[Sequence[str]], list[str]]:
    """`expanded` for queries whose words `split` made."""
    partners = _partners(split)
    return lambda query: _widened(query, partners, per_term)


def _widened(
    query: Sequence[str], partners: Mapping[tuple[str, ...], tuple[Terms, ...]], per_term: int
) -> list[str]:
    longest = max(map(len, partners))
    # ordered, which a set is not
    there = dict.fromkeys(query)
    at = 0
    while at < len(query):
        for length in range(longest, 0, -1):
            term = tuple(query[at : at + length])
            if len(term) == length and term in partners:
                for others in partners[term]:
                    for other in others[: max(per_term, 0)]:
                        there.update(dict.fromkeys(other))
                at += length - 1
                break
        at += 1
    # the query's own words come first in `there`, each once
    return [*query, *list(there)[len(set(query)) :]]


@cache
def _partners(split: Callable[[str], list[str]]) -> Mapping[tuple[str, ...], tuple[Terms, ...]]:
    """For each term the other terms of every group that has it."""
    found: dict[tuple[str, ...], tuple[Terms, ...]] = {}
    for line in GROUPS.strip().splitlines():
        terms = tuple(tuple(split(term)) for term in line.split("|"))
        for term in terms:
            others = tuple(other for other in terms if other != term)
            found[term] = (*found.get(term, ()), others)
    return found
