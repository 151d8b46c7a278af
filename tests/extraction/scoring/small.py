"""A company of two facilities whose truth is known, and results about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.result import CompanyResult, FacilityResult, StageCost, Value
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL, TrueValue, Truth

TERM, REVOLVING = Facility("Term Loan B", amount="EUR 250m"), Facility("Revolving Facility", amount="EUR 20m")
TEXT = (
    "The margin of Term Loan B is 2.50 % per annum.\nThe margin of the Revolving Facility is 1.75 %.\n"
    "The margin was 3.10 % before the amendment.\nThe project lies in Spain.\nFees of the agent: 0.40 %.\n"
)


def company(name: str = "Alder") -> Company:
    return Company(name, (Document("agreement.txt", TEXT),))


def span(text: str, within: Company | None = None) -> Passage:
    start = (within or company()).text.index(text)
    return Passage(start, start + len(text))


def truth(name: str = "Alder") -> Truth:
    """Two margins, of which one was amended, and the deal's country: 4 present cells of 144."""
    return Truth(
        company(name),
        (TERM, REVOLVING),
        {
            ("Term Loan B", "spread"): TrueValue(
                "2.5",
                ((span("The margin of Term Loan B is 2.50 % per annum."),),),
                superseded=("3.1",),
                distractors=(("agency fee", span("Fees of the agent: 0.40 %."), "0.4"),),
            ),
            ("Revolving Facility", "spread"): TrueValue("1.75", ((span("1.75 %"),),)),
            (DEAL, "country"): TrueValue("Spain", ((span("in Spain"),),), renderings=("Kingdom of Spain",)),
        },
        {},
        {},
    )


def found(key: str, text: str, quote: str = "", confidence: float = 1.0) -> Value:
    return Value(key, "FOUND", text, confidence, span(quote) if quote else None, quote)


def row(facility: Facility, *values: Value) -> FacilityResult:
    held: Mapping[str, Value] = {value.field: value for value in values}
    return FacilityResult(facility, {key: held.get(key, Value(key, "NOT_FOUND")) for key in FIELDS})


def result(*rows: FacilityResult, name: str = "Alder", calls: int = 10) -> CompanyResult:
    return CompanyResult(company(name), tuple(rows), (StageCost("window", calls, 0, 900, 100),))


def perfect(name: str = "Alder") -> CompanyResult:
    spain = found("country", "Spain", "The project lies in Spain.")
    return result(
        row(TERM, found("spread", "2.50 %", "The margin of Term Loan B is 2.50 %"), spain),
        row(REVOLVING, found("spread", "175 bps", "1.75 %"), spain),
        name=name,
    )


def results_of(names: Sequence[str]) -> list[CompanyResult]:
    return [perfect(name) for name in names]
