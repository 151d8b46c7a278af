"""Facilities by regular expressions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.asks import Ask, Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading.detection import detect_facilities, facility_before


def detected(text):
    company = Company("c", (Document("d", text),))
    return detect_facilities(Ask(company, "detection", (), (Passage(0, len(company.text)),)))


AGREEMENT = """FACILITIES AGREEMENT
dated 3 March 2026 between Alder Grid Ltd as Borrower and Birch Bank as Facility Agent.

The Lenders make available to the Borrower a term loan facility called Term Loan A of EUR 250,000,000, and
a Revolving Credit Facility in an aggregate amount of EUR 25 million.

The Borrower shall pay the Facility Agent a fee. A Facility Office is an office. The Facility and each Loan
under any Facility may be prepaid. The Debt Service Reserve Facility is available.
The Debt Service Reserve Facility ends with the Loan.
"""


def test_names_amounts_and_types():
    assert detected(AGREEMENT) == (
        Facility("Term Loan A", "term loan", "EUR 250,000,000"),
        Facility("Revolving Credit Facility", "revolving credit facility", "EUR 25 million"),
        Facility("Debt Service Reserve Facility", "debt service reserve facility", ""),
    )


@pytest.mark.parametrize(
    "text",
    ["", "No loan is named here.", "The Facility is made available.",
     "the Facility Agent and Facility Agreement",
     "Senior Facilities Agreement", "A Loan, any Loan, each Loan: EUR 5,000"],
)  # fmt: skip
def test_what_names_no_facility(text):
    assert detected(text) == ()


def test_one_that_is_named_once_without_an_amount_is_none():
    assert detected("Facility B is mentioned.\n\nEUR 5,000,000 is something else.") == ()


def test_the_longer_name_stands_for_the_shorter_one():
    text = "Term Loan Facility A of EUR 5,000,000.\nFacility A is repaid.\nFacility A is drawn.\n"
    assert [each.name for each in detected(text)] == ["Term Loan Facility A"]


def test_columns_of_a_table_and_what_is_done_with_a_facility_are_no_part_of_its_name():
    text = (
        "Term Facility of USD 9,000,000.\nGypsum Bank\tTerm Facility\tUSD 5,000,000\n"
        "Chalk Credit  Term Facility  USD 4,000,000\nDrawdown of Term Facility: USD 2,000,000\n"
    )
    assert [each.name for each in detected(text)] == ["Term Facility"]


@settings(deadline=None)
@given(st.text(alphabet="Facility Loan ABTerm\nEUR 5,0.€", max_size=300))
def test_any_text_has_few_facilities_with_names(text):
    found = detected(text)
    assert len(found) <= 8
    assert len({each.name for each in found}) == len(found)
    assert all(each.name.strip() for each in found)


def test_hostile_repetitions_take_linear_time():
    assert detected("Aaaa " * 20_000) == ()
    assert len(detected("Loan " * 20_000)) <= 8


FACILITIES = (Facility("Facility A"), Facility("Term Loan Facility AB"))


@pytest.mark.parametrize(
    ("text", "mark", "name"),
    [
        ("Facility A is a loan.\nThe margin is 2 %.\n", "2 %", "Facility A"),
        ("Facility A.\nFacility AB.\nThe margin is 2 %.\n", "2 %", "Term Loan Facility AB"),
        ("The margin is 2 % for FACILITY A.\nFacility AB.\n", "2 %", "Facility A"),
        ("The margin is 2 %.\nFacility A\n", "2 %", None),
        ("xFacility A and Facility Ax.\nThe margin is 2 %.\n", "2 %", None),
    ],
)
def test_a_place_is_of_the_facility_named_last(text, mark, name):
    company = Company("c", (Document("d", text),))
    found = facility_before(company, FACILITIES, company.text.index(mark))
    assert (found and found.name) == name


def test_another_document_says_nothing_about_it():
    company = Company("c", (Document("a", "Facility A.\n"), Document("b", "The margin is 2 %.\n")))
    assert facility_before(company, FACILITIES, company.text.index("2 %")) is None
