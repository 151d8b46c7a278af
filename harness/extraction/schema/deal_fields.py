"""Groups 2 to 7: what is true of the deal, whatever the facility. A table only."""

from __future__ import annotations

from harness.extraction.schema.field import Field, field, group_of

SPONSOR_INFO = group_of(
    "sponsor_info",
    "deal",
    field(
        "sponsor_linked",
        "Sponsor linked",
        "yes_no",
        "Whether a sponsor stands behind the borrower.",
        "sponsor | shareholder | equity investor",
    ),
    field(
        "sponsor_name",
        "Sponsor name",
        "name",
        "The sponsor: who owns or controls the borrower in the end. Several: separate them by semicolons.",
        "sponsor | shareholder | ultimate parent",
    ),
    field(
        "sponsor_ownership",
        "Sponsor ownership share",
        "percent",
        "The share of the borrower that the sponsor owns, directly or not.",
        "ownership | shareholding | shares held | stake",
    ),
    field(
        "holdco_linked",
        "Holding company linked",
        "yes_no",
        "Whether a holding company stands between the sponsor and the borrower.",
        "holding company | holdco | parent",
    ),
    field(
        "holdco_name",
        "Holding company name",
        "name",
        "The holding company between the sponsor and the borrower.",
        "holding company | holdco | parent | intermediate",
    ),
)

PROJECT_DETAILS = group_of(
    "project_details",
    "deal",
    field(
        "nace_sector",
        "NACE sector",
        "nace",
        "The borrower's economic activity by its NACE code, such as D35.11.",
        "NACE | activity code | economic activity | classification",
    ),
    field(
        "aggregated_sector",
        "Aggregated sector",
        "choice",
        "The sector that the project belongs to.",
        "sector | industry | project | business",
        choices=(
            "Renewable energy",
            "Conventional power",
            "Utilities and networks",
            "Transport",
            "Telecommunications",
            "Social infrastructure",
            "Natural resources",
        ),
    ),
    field(
        "country",
        "Country",
        "country",
        "The country in which the project lies.",
        "country | located | site | jurisdiction of the project",
    ),
    field(
        "readiness",
        "Readiness",
        "choice",
        "Whether the project operates already or must still be built.",
        "in operation | operational | under construction | completion",
        choices=("In operation", "Construction needed"),
    ),
    field(
        "readiness_year",
        "Readiness year",
        "year",
        "The year in which operation began or is to begin.",
        "commercial operation date | completion date | start of operations | year",
    ),
    field(
        "readiness_month",
        "Readiness month",
        "month_of_year",
        "The month of that year, 01 to 12.",
        "commercial operation date | completion date | start of operations | month",
    ),
)

CONSTRUCTION_GUARANTEES = group_of(
    "construction_guarantees",
    "deal",
    field(
        "completion_guarantees",
        "Completion guarantees",
        "yes_no",
        "Whether anyone guarantees that the project will be completed.",
        "completion guarantee | completion support | construction risk",
    ),
    field(
        "completion_guarantor",
        "Completion guarantor name",
        "name",
        "Who guarantees completion.",
        "guarantor | completion guarantee | guarantee issued by",
    ),
    field(
        "dc_contractor_present",
        "D&C contractor",
        "yes_no",
        "Whether there is a contractor for design and construction.",
        "D&C contractor | construction contract | EPC | works",
    ),
    field(
        "turnkey_contract",
        "Fixed-price date-certain turnkey contract",
        "yes_no",
        "Whether the construction contract is turnkey with a fixed price and a certain date.",
        "turnkey | lump sum | fixed price | date certain",
    ),
    field(
        "dc_contractor_name",
        "D&C contractor name",
        "name",
        "Who designs and builds the project.",
        "D&C contractor | EPC contractor | construction contract with | builder",
    ),
)

REVENUE_MITIGANTS = group_of(
    "revenue_mitigants",
    "deal",
    field(
        "revenue_mitigants",
        "Revenue mitigants",
        "yes_no",
        "Whether anything reduces the risk of the project's revenues.",
        "revenue risk | offtake | contracted revenues | price support",
    ),
    field(
        "mitigant_type",
        "Type of revenue mitigant",
        "choice",
        "What reduces the risk of the revenues.",
        "power purchase agreement | availability payments | feed-in tariff | contract for difference",
        choices=(
            "Offtake agreement",
            "Availability payment",
            "Feed-in tariff",
            "Contract for difference",
            "Regulated tariff",
        ),
    ),
    field(
        "mitigant_guarantor",
        "Guarantor of revenue mitigant",
        "name",
        "Who stands behind it: the offtaker, the authority, the guarantor.",
        "offtaker | purchaser | authority | counterparty",
    ),
    field(
        "mitigant_applied_to",
        "Revenue mitigant applied to",
        "choice",
        "Whether price alone is supported, or price and volume.",
        "price | volume | quantity | output",
        choices=("Price", "Price and volume"),
    ),
    field(
        "volume_constraint",
        "Volume constraint type",
        "choice",
        "Whether the offtaker pays for a volume even if it does not take it, or for what is produced.",
        "take or pay | pay as produced | volume | quantity",
        choices=("Take or pay", "Pay as produced"),
    ),
    field(
        "volume_share",
        "Volume share",
        "percent",
        "The share of the output to which it applies.",
        "volume | share of output | contracted quantity | percentage",
    ),
)

COVENANTS_GENERAL = group_of(
    "covenants_general",
    "deal",
    field(
        "dsra",
        "Debt service reserve account",
        "yes_no",
        "Whether there is a debt service reserve account.",
        "debt service reserve account | DSRA | reserve",
    ),
    field(
        "financial_covenants",
        "Financial covenants",
        "yes_no",
        "Whether there are financial covenants.",
        "financial covenants | undertakings | ratios",
    ),
    field(
        "lockup_minimum_cash",
        "Lock-up minimum cash",
        "amount",
        "The cash below which distributions are locked up, with its currency and unit.",
        "minimum cash | liquidity | cash balance | lock-up",
    ),
    field(
        "lockup_minimum_equity_reserve",
        "Lock-up minimum equity reserve account",
        "amount",
        "The balance of the equity reserve account below which distributions are locked up, with its "
        "currency and unit.",
        "equity reserve account | minimum balance | lock-up",
    ),
)

_LOCK_UP = "lock-up | distribution | restricted payments"
COVENANTS_RATIOS = group_of(
    "covenants_ratios",
    "deal",
    field(
        "lockup_bdscr",
        "Lock-up backward DSCR",
        "ratio",
        "The historic (backward-looking) debt service cover ratio below which distributions are locked up.",
        f"historic debt service cover ratio | B-DSCR | HDSCR | {_LOCK_UP}",
    ),
    field(
        "lockup_fdscr",
        "Lock-up forward DSCR",
        "ratio",
        "The projected (forward-looking) debt service cover ratio below which distributions are locked up.",
        f"projected debt service cover ratio | F-DSCR | PDSCR | {_LOCK_UP}",
    ),
    field(
        "lockup_llcr",
        "Lock-up LLCR",
        "ratio",
        "The loan life cover ratio below which distributions are locked up.",
        f"loan life cover ratio | LLCR | {_LOCK_UP}",
    ),
    field(
        "lockup_icr",
        "Lock-up ICR",
        "ratio",
        "The interest cover ratio below which distributions are locked up.",
        f"interest cover ratio | ICR | {_LOCK_UP}",
    ),
    field(
        "lockup_net_debt_ebitda",
        "Lock-up net debt to EBITDA",
        "ratio",
        "The ratio of net debt to EBITDA above which distributions are locked up.",
        f"net debt to EBITDA | leverage | {_LOCK_UP}",
    ),
    field(
        "lockup_dividend_cover",
        "Lock-up dividend cover ratio",
        "ratio",
        "The dividend cover ratio below which distributions are locked up.",
        f"dividend cover ratio | dividends | {_LOCK_UP}",
    ),
    field(
        "lockup_net_debt_rab",
        "Lock-up net debt to RAB",
        "ratio",
        "The ratio of net debt to the regulated asset base above which distributions are locked up.",
        f"net debt to regulated asset base | RAB | RAV | {_LOCK_UP}",
    ),
    field(
        "lockup_debt_equity",
        "Lock-up debt to equity",
        "ratio",
        "The ratio of debt to equity above which distributions are locked up.",
        f"debt to equity | gearing | {_LOCK_UP}",
    ),
)

DEAL_GROUPS: tuple[tuple[Field, ...], ...] = (
    SPONSOR_INFO,
    PROJECT_DETAILS,
    CONSTRUCTION_GUARANTEES,
    REVENUE_MITIGANTS,
    COVENANTS_GENERAL,
    COVENANTS_RATIOS,
)
