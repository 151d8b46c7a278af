"""Every cell has one outcome: present and absent, of facilities found, missed and invented."""

from dataclasses import replace

import pytest
from extraction.scoring.small import (
    REVOLVING,
    TERM,
    company,
    found,
    perfect,
    result,
    row,
    span,
    truth,
)
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.result import Candidate, Value
from harness.extraction.schema.fields import FIELDS
from harness.extraction.scoring import MEASURES, score_company
from harness.extraction.scoring.outcome import Outcome


def cell(answer, facility="Term Loan B", key="spread") -> Outcome:
    cells = score_company(answer, truth()).outcomes
    return next(each for each in cells if each.facility == facility and each.field == key)


def test_all_found():
    score = score_company(perfect(), truth())
    assert [score.count(measure) for measure in MEASURES] == [(4, 4), (4, 4), (0, 140), (4, 4), (4, 4)]
    assert (score.facilities, score.found, score.matched) == (2, 2, 2)
    assert (score.calls, score.tokens) == (10, 1000)


def test_nothing_found():
    score = score_company(result(), truth())
    assert [score.count(measure) for measure in MEASURES] == [(0, 4), (0, 0), (0, 140), (0, 0), (0, 0)]
    assert (score.found, score.matched) == (0, 0)


def test_a_value_of_the_deal_counts_for_each_facility():
    score = score_company(result(row(TERM, found("country", "Kingdom of Spain"))), truth())
    assert score.count("coverage", "project_details") == (1, 2)


def test_a_facility_that_was_not_found_misses_its_values():
    score = score_company(result(perfect().facilities[0]), truth())
    assert score.count("coverage") == (2, 4)
    assert cell(result(perfect().facilities[0]), "Revolving Facility").verdict == "missed"


def test_a_facility_that_is_none_has_false_fills():
    extra = row(Facility("VAT Facility"), found("spread", "2.50 %", "2.50 %"), found("country", "Spain"))
    score = score_company(result(*perfect().facilities, extra), truth())
    assert score.count("coverage") == (4, 4)
    assert score.count("false_fills") == (2, 140 + len(FIELDS))
    assert score.count("precision") == (4, 6)
    assert (score.found, score.matched) == (3, 2)


def test_an_absent_field_that_is_filled_in_is_a_false_fill():
    outcome = cell(result(row(TERM, found("upfront_fee", "0.40 %"))), key="upfront_fee")
    assert (outcome.verdict, outcome.expected, outcome.is_extra) == ("false_fill", "", False)


@pytest.mark.parametrize(
    ("text", "mistaken_for"),
    [("3.10 %", "superseded"), ("1.75 %", "sister facility"), ("0.40 %", "agency fee"), ("9 %", "")],
)
def test_what_a_wrong_value_really_is(text, mistaken_for):
    outcome = cell(result(row(TERM, found("spread", text))))
    assert (outcome.verdict, outcome.mistaken_for) == ("wrong", mistaken_for)


@pytest.mark.parametrize(
    "status", ["NOT_FOUND", "POSSIBLY_PRESENT", "N/A", "EXTRACTION_ERROR", "NOT_EXTRACTED"]
)
def test_a_status_without_a_value_is_none(status):
    assert cell(result(row(TERM, Value("spread", status, "2.50 %")))).verdict == "missed"
    assert cell(result(row(TERM, Value("rate_cap", status, "2.50 %"))), key="rate_cap").verdict == "absent"


def test_a_conflict_has_the_value_it_gives():
    others = (Candidate("2.50 %", 0.4),)
    right = cell(result(row(TERM, Value("spread", "CONFLICT", "2.50 %", 0.5))))
    lost = cell(result(row(TERM, Value("spread", "CONFLICT", "3.10 %", 0.5, others=others))))
    assert (right.verdict, right.among_others) == ("right", False)
    assert (lost.verdict, lost.among_others) == ("wrong", True)


@pytest.mark.parametrize(
    ("evidence", "quote", "is_grounded", "is_at_gold"),
    [
        (span("2.50 %"), "2.50 %", True, True),
        (span("2.50 %"), "2.50  %", True, True),
        (span("2.50 %"), "", True, True),
        (span("2.50 %"), "2.60 %", False, True),
        (span("3.10 %"), "3.10 %", True, False),
        (None, "2.50 %", False, False),
        (Passage(5, 5), "", False, False),
        (Passage(-4, 2), "", False, False),
        (Passage(10, 10_000_000), "", False, False),
    ],
)
def test_evidence(evidence, quote, is_grounded, is_at_gold):
    value = replace(found("spread", "2.5"), evidence=evidence, quote=quote)
    outcome = cell(result(row(TERM, value)))
    assert outcome.verdict == "right"
    assert (outcome.grounded, outcome.at_gold) == (is_grounded, is_at_gold)


def test_pages_of_evidence_point_at_nothing():
    long = Company("Alder", (Document("agreement.txt", company().documents[0].text + "filler " * 1000),))
    whole = Passage(0, len(long.text))
    answer = replace(result(row(TERM, replace(found("spread", "2.5"), evidence=whole))), company=long)
    outcome = score_company(answer, replace(truth(), company=long)).outcomes
    assert next(each for each in outcome if each.field == "spread").at_gold is False


def test_the_truth_of_other_documents_is_refused():
    other = replace(truth(), company=Company("Alder", (Document("a.txt", "another text"),)))
    with pytest.raises(ValueError, match="other documents"):
        score_company(perfect(), other)


def test_the_credit_limit_tells_a_facility_whose_amount_was_not_detected():
    named = row(Facility("Senior debt"), found("credit_limit", "EUR 250,000,000"), found("spread", "2.50 %"))
    assert cell(result(named)).verdict == "right"


def test_the_order_of_rows_does_not_matter():
    one = score_company(perfect(), truth())
    other = score_company(replace(perfect(), facilities=perfect().facilities[::-1]), truth())
    assert one == other


FACILITIES = st.sampled_from([TERM, REVOLVING, Facility("VAT Facility"), Facility("")])
VALUES = st.builds(
    Value,
    st.sampled_from(["spread", "country", "upfront_fee", "maturity_date"]),
    st.sampled_from(["FOUND", "CONFLICT", "NOT_FOUND", "N/A"]),
    st.sampled_from(["2.50 %", "1.75 %", "Spain", "03/2031", "", "anything"]),
)
ROWS = st.lists(st.builds(row, FACILITIES, VALUES, VALUES), max_size=4)


@given(ROWS)
def test_each_cell_counts_once(rows):
    score = score_company(result(*rows), truth())
    extra = score.found - score.matched
    assert len(score.outcomes) == (score.facilities + extra) * len(FIELDS)
    assert score.count("coverage")[1] + score.count("false_fills")[1] == len(score.outcomes)
    assert score.count("coverage")[1] == 4
    filled = sum(each.is_filled for each in score.outcomes)
    assert score.count("precision") == (score.count("coverage")[0], filled)
    written = sum(
        value.status in ("FOUND", "CONFLICT") and bool(value.value)
        for each in rows
        for value in each.values.values()
    )
    assert filled == written
