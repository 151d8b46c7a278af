from __future__ import annotations

from harness.extraction.asks import Facility, Found
from harness.extraction.pipeline.demand import Unit
from harness.extraction.pipeline.scope import distinct, unit_of, units
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL

DEAL_FIELD = next(key for key, field in FIELDS.items() if field.scope == "deal")
FACILITY_FIELD = next(key for key, field in FIELDS.items() if field.scope == "facility")
A, B = Facility("Facility A"), Facility("Facility B")


def test_fields_of_the_deal_are_one_unit_whatever_the_facilities() -> None:
    found = units([DEAL_FIELD, FACILITY_FIELD], [A, B])
    assert found == [
        Unit(DEAL, DEAL_FIELD),
        Unit("Facility A", FACILITY_FIELD),
        Unit("Facility B", FACILITY_FIELD),
    ]


def test_a_value_belongs_to_the_facility_that_it_names() -> None:
    assert unit_of(Found(FACILITY_FIELD, "x", "Facility B"), [A, B]) == Unit("Facility B", FACILITY_FIELD)
    assert unit_of(Found(FACILITY_FIELD, "x", "the FACILITY B"), [A, B]) == Unit("Facility B", FACILITY_FIELD)
    assert unit_of(Found(DEAL_FIELD, "x", "Facility B"), [A, B]) == Unit(DEAL, DEAL_FIELD)


def test_a_value_of_nobody_is_nobodys() -> None:
    assert unit_of(Found(FACILITY_FIELD, "x"), [A, B]) is None
    assert unit_of(Found(FACILITY_FIELD, "x", "Facility C"), [A, B]) is None
    assert unit_of(Found(FACILITY_FIELD, "x"), [A]) == Unit("Facility A", FACILITY_FIELD)


def test_one_facility_under_two_names_is_one() -> None:
    told = [
        Facility("Term Loan", amount="EUR 250,000,000"),
        Facility("Term Loan Facility", "term", "250 000 000"),
        Facility("Facility A"),
        Facility("facility a", amount="5"),
        Facility("Facility B"),
        Facility(" "),
    ]
    assert distinct(told) == (
        Facility("Term Loan", "term", "EUR 250,000,000"),
        Facility("Facility A", "", "5"),
        Facility("Facility B"),
    )


def test_names_that_contain_each_other_are_two_unless_the_amounts_agree() -> None:
    assert len(distinct([Facility("Term Loan", amount="1"), Facility("Term Loan B", amount="2")])) == 2
    assert len(distinct([Facility("Term Loan"), Facility("Term Loan B")])) == 2
