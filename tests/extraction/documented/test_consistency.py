"""Rules on values that belong together: No becomes Yes where details are, the rest is noted."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Found
from harness.extraction.documented.consistency import COVENANTS, IMPLIED, consistent
from harness.extraction.documented.records import Record
from harness.extraction.schema.fields import FIELDS


def records(**values: str) -> dict[str, Record]:
    return {key: Record(key, Found(key, values[key]) if key in values else None) for key in FIELDS}


def value(changed: dict[str, Record], key: str) -> str:
    found = changed[key].found
    return "" if found is None else found.value


def test_the_rules_are_twelve_about_fields_of_the_schema():
    assert len(IMPLIED) + 5 == 12
    assert len(COVENANTS) == 8
    for rule in IMPLIED:
        assert FIELDS[rule.flag].kind == "yes_no"
        assert all(FIELDS[key].group == FIELDS[rule.flag].group for key in rule.details)


@pytest.mark.parametrize("rule", IMPLIED, ids=lambda rule: rule.flag)
def test_no_becomes_yes_with_any_detail_and_only_then(rule):
    for detail in rule.details:
        changed, notes = consistent(records(**{rule.flag: "No", detail: "something"}))
        assert value(changed, rule.flag) == "Yes"
        assert FIELDS[detail].name in notes[0]
    assert consistent(records(**{rule.flag: "No"}))[1] == ()
    changed, notes = consistent(records(**{rule.details[0]: "something"}))
    assert (value(changed, rule.flag), notes) == ("", ())


@pytest.mark.parametrize(
    ("values", "about"),
    [
        ({"house_bank_share": "100%", "syndicated": "Yes"}, "Syndicated"),
        ({"house_bank_share": "25.00%", "syndicated": "No"}, "Syndicated"),
        ({"financial_covenants": "No", "lockup_llcr": "1.20x"}, "Financial covenants"),
        (
            {"readiness": "In operation", "readiness_year": "2030", "inception_date": "12/2029"},
            "Readiness year",
        ),
        ({"fixed_rate": "4.00%", "base_rate": "EURIBOR"}, "Fixed rate"),
        ({"inception_date": "03/2027", "maturity_date": "2027-03"}, "Maturity date"),
    ],
)
def test_what_does_not_fit_is_noted_and_left(values, about):
    before = records(**values)
    changed, notes = consistent(before)
    assert changed == before
    assert len(notes) == 1
    assert about in notes[0]


@pytest.mark.parametrize(
    "values",
    [
        {"house_bank_share": "100%", "syndicated": "No"},
        {"house_bank_share": "25%", "syndicated": "Yes"},
        {"financial_covenants": "Yes", "lockup_llcr": "1.20x"},
        {"readiness": "In operation", "readiness_year": "2029", "inception_date": "12/2029"},
        {"readiness": "Construction needed", "readiness_year": "2031", "inception_date": "01/2029"},
        {"fixed_rate": "4.00%"},
        {"inception_date": "12/2026", "maturity_date": "01/2027"},
        {"inception_date": "some day", "maturity_date": "01/2027"},
    ],
)
def test_what_fits_is_not_noted(values):
    assert consistent(records(**values)) == (records(**values), ())


@given(
    st.dictionaries(
        st.sampled_from(list(FIELDS)),
        st.sampled_from(["No", "Yes", "100%", "12%", "01/2030", "2029-12-31", "x"]),
    )
)
def test_any_values_end_in_a_state_that_the_rules_leave(values):
    changed, _ = consistent(records(**values))
    again, _ = consistent(changed)
    assert again == changed
    flags = {rule.flag for rule in IMPLIED}
    assert all(changed[key] == record for key, record in records(**values).items() if key not in flags)


def test_month_order_over_years():
    for (year, month), later in product([(2029, 12), (2030, 1)], [0, 1]):
        end = f"{(month + later - 1) % 12 + 1:02d}/{year + (month + later - 1) // 12}"
        _, notes = consistent(records(inception_date=f"{month:02d}/{year}", maturity_date=end))
        assert bool(notes) == (later == 0)
