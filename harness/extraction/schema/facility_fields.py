"""Groups 1 and 8 to 13: what is true of one facility. A table only."""

from __future__ import annotations

from harness.extraction.schema.field import Field, field, group_of

BASIC_INFO = group_of(
    "basic_info",
    "facility",
    field(
        "borrower_name",
        "Borrower name",
        "name",
        "Who borrows under the facility.",
        "borrower | company | debtor | obligor",
    ),
    field(
        "senior_facility_name",
        "Senior facility name",
        "facility_name",
        "The senior facility, or the senior facilities together, that this facility belongs to.",
        "senior facility | senior facilities | senior debt | facilities agreement",
    ),
    field(
        "facility_name",
        "Facility name",
        "facility_name",
        "What the documents call the facility.",
        "facility | tranche | term loan | revolving credit",
    ),
    field(
        "tranche_type",
        "Type of tranche",
        "term",
        "What sort of facility it is, such as term loan, revolving credit, letter of credit, VAT.",
        "term loan | revolving | guarantee facility | tranche",
    ),
    field(
        "currency",
        "Currency",
        "currency",
        "The currency in which the facility is made available, by its ISO code.",
        "currency | denominated | base currency",
    ),
    field(
        "credit_limit",
        "Credit limit",
        "amount",
        "The facility's total commitments, with currency and unit, or a bare number of thousands.",
        "total commitments | credit limit | amount | aggregate principal",
    ),
)

SYNDICATION = group_of(
    "syndication",
    "facility",
    field(
        "syndicated",
        "Syndicated",
        "yes_no",
        "Whether more than one lender takes part in the facility.",
        "syndicate | lenders | original lenders | participation",
    ),
    field(
        "house_bank_commitment",
        "House bank commitment",
        "yes_no",
        "Whether the house bank has a commitment in the facility.",
        "house bank | commitment | original lender",
    ),
    field(
        "house_bank_share",
        "House bank share",
        "percent",
        "The house bank's commitment as a share of all commitments in the facility.",
        "house bank | commitment | share | participation | total commitments",
    ),
)

DATES_SCHEDULES = group_of(
    "dates_schedules",
    "facility",
    field(
        "inception_date",
        "Inception date",
        "month",
        "When the facility was signed, MM/YYYY.",
        "dated | signing date | agreement date | effective date",
    ),
    field(
        "maturity_date",
        "Maturity date",
        "month",
        "When the facility must be repaid at the latest, MM/YYYY.",
        "final maturity date | termination date | final repayment date | expiry",
    ),
    field(
        "refinancing_expected",
        "Refinancing expected",
        "yes_no",
        "Whether the facility is to be repaid by a refinancing.",
        "refinancing | refinance | balloon | take-out",
    ),
    field(
        "drawdown_schedule_text",
        "Drawdown schedule, in words",
        "text",
        "How the facility is drawn, in the words of the documents.",
        "drawdown | utilisation | availability period | draw",
    ),
    field(
        "drawdown_schedule",
        "Drawdown schedule, by date",
        "schedule",
        "The shares of the facility drawn by date, such as 03/2027: 50%; 09/2027: 50%.",
        "drawdown schedule | utilisation profile | drawn by | percentage",
    ),
    field(
        "repayment_schedule_text",
        "Repayment schedule, in words",
        "text",
        "How the facility is repaid, in the words of the documents.",
        "repayment | instalments | amortisation | bullet",
    ),
    field(
        "repayment_schedule",
        "Repayment schedule, by date",
        "schedule",
        "The shares of the facility repaid by date, such as 03/2027: 50%; 09/2027: 50%.",
        "repayment schedule | repayment dates | instalments | percentage",
    ),
)

PRICING = group_of(
    "pricing",
    "facility",
    field(
        "base_rate",
        "Base rate",
        "benchmark",
        "The reference rate to which the margin is added, without its tenor, such as EURIBOR.",
        "EURIBOR | SONIA | SOFR | reference rate | screen rate",
    ),
    field(
        "rate_tenor",
        "Rate tenor",
        "tenor",
        "The period of the reference rate.",
        "interest period | months | tenor",
        choices=("ON", "1W", "1M", "2M", "3M", "6M", "12M"),
    ),
    field(
        "fixed_rate",
        "Fixed rate",
        "percent",
        "The interest rate of a facility whose rate is fixed.",
        "fixed rate | fixed interest | per annum",
    ),
    field(
        "spread",
        "Spread",
        "percent",
        "The margin over the reference rate. Of several steps, all in order.",
        "margin | spread | over the reference rate | per annum",
    ),
    field(
        "rate_floor",
        "Rate floor",
        "percent",
        "The rate below which the reference rate is not taken to fall.",
        "floor | less than zero | deemed to be | minimum rate",
    ),
    field(
        "rate_cap",
        "Rate cap",
        "percent",
        "The rate above which the reference rate is not taken to rise.",
        "cap | ceiling | not exceed | maximum rate",
    ),
)

HEDGING = group_of(
    "hedging",
    "facility",
    field(
        "hedged",
        "Hedged",
        "yes_no",
        "Whether the facility's interest rate is hedged.",
        "hedging | hedge | interest rate swap",
    ),
    field(
        "hedging_instrument",
        "How hedged",
        "term",
        "The instrument of the hedge, such as interest rate swap, cap, collar.",
        "swap | cap | collar | hedging agreement | derivative",
    ),
    field(
        "hedge_effective_date",
        "Hedge effective date",
        "month",
        "When the hedge begins, MM/YYYY.",
        "hedging effective date | trade date | start date | swap",
    ),
    field(
        "hedge_fixed_rate",
        "Hedge fixed rate",
        "percent",
        "The fixed rate that is paid under the hedge.",
        "swap rate | fixed rate payer | fixed leg | strike",
    ),
    field(
        "hedge_maturity_date",
        "Hedge maturity date",
        "month",
        "When the hedge ends, MM/YYYY.",
        "hedging termination date | end date | swap maturity",
    ),
    field(
        "hedge_notional",
        "Hedge notional",
        "amount",
        "The amount that is hedged, with its currency and unit.",
        "notional amount | hedged amount | swap notional",
    ),
    field(
        "hedge_spread",
        "Hedge spread",
        "percent",
        "The credit spread that the hedge provider charges.",
        "swap credit spread | hedging margin | spread | execution",
    ),
    field(
        "hedged_share",
        "Share of exposure hedged",
        "percent",
        "The share of the facility that is hedged.",
        "hedged share | percentage hedged | minimum hedging | exposure",
    ),
)

CASH_SWEEP = group_of(
    "cash_sweep",
    "facility",
    field(
        "cash_sweep",
        "Cash sweep",
        "yes_no",
        "Whether excess cash must be used to prepay the facility.",
        "cash sweep | excess cash | mandatory prepayment",
    ),
    field(
        "sweep_structure",
        "Cash sweep structure",
        "choice",
        "By what the sweep is set: a share fixed in advance, a target balance, a transmission asset's rule.",
        "cash sweep | target balance | excess cash flow | structure",
        choices=("Predetermined", "Targeted", "Transmission asset"),
    ),
    field(
        "sweep_predetermined_share",
        "Predetermined sweep share",
        "percent",
        "The share of excess cash that is swept, where it is fixed in advance.",
        "percentage of excess cash | cash sweep | fixed percentage",
    ),
    field(
        "sweep_targeted_share",
        "Targeted sweep share",
        "percent",
        "The share of excess cash that is swept to reach a target balance.",
        "target balance | targeted | cash sweep | percentage",
    ),
    field(
        "sweep_transmission_share",
        "Transmission asset sweep share",
        "percent",
        "The share of excess cash that is swept under a transmission asset's rule.",
        "transmission asset | offshore transmission | cash sweep | percentage",
    ),
)

FEES = group_of(
    "fees",
    "facility",
    field(
        "upfront_fee",
        "Upfront fee",
        "percent",
        "The fee that is paid once at the beginning, as a share of the commitments.",
        "upfront fee | arrangement fee | participation fee",
    ),
    field(
        "commitment_fee",
        "Commitment fee",
        "percent",
        "The fee on what is not drawn, as a rate per year. A share of the margin is none.",
        "commitment fee | undrawn | unused commitment | available commitment",
    ),
    field(
        "lc_issuance_fee",
        "Letter of credit issuance fee",
        "percent",
        "The fee for issuing letters of credit.",
        "letter of credit fee | issuance fee | fronting fee | issuing bank",
    ),
)

FACILITY_GROUPS: tuple[tuple[Field, ...], ...] = (
    BASIC_INFO,
    SYNDICATION,
    DATES_SCHEDULES,
    PRICING,
    HEDGING,
    CASH_SWEEP,
    FEES,
)
