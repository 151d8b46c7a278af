"""The documented forms of values, with the faults that are known of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.documented.normalise import normalised
from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import same


@pytest.mark.parametrize(
    ("key", "text", "form"),
    [
        ("maturity_date", "31 March 2031", "03/2031"),
        ("maturity_date", "2031-03-31", "03/2031"),
        ("maturity_date", "31.03.2031", "03/2031"),
        ("maturity_date", "March, 2031", "03/2031"),
        ("maturity_date", "03/2031", "03/2031"),
        ("maturity_date", "3/2031", "03/2031"),
        ("maturity_date", "five years on", "five years on"),
        ("maturity_date", "May flower 2031", "May flower 2031"),
        ("spread", "2.5 %", "2.50%"),
        ("spread", "2,35%", "2.35%"),
        ("spread", "no margin", "no margin"),
        ("lockup_llcr", "1.2", "1.20x"),
        ("lockup_llcr", "1.15 : 1", "1.15x"),
        ("hedged", "yes", "Yes"),
        ("hedged", "No.", "No"),
        ("hedged", "partly", "partly"),
        ("borrower_name", "Alder \n Grid", "Alder Grid"),
    ],
)
def test_forms(key, text, form):
    assert normalised(FIELDS[key], text) == form


@pytest.mark.parametrize(
    ("key", "text", "form"),
    [
        ("hedged", "Not specified", "No"),
        ("maturity_date", "03/31/2031", "03/31/2031"),
        ("readiness_year", "06/2027", "06/2027"),
        ("commitment_fee", "40 % of margin", "40.00%"),
        ("spread", "2.00 % until 2030, 2.50 % from then on", "2.00%"),
    ],
)
def test_the_documented_faults(key, text, form):
    assert normalised(FIELDS[key], text) == form


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("month", ["03/2031", "31 March 2031", "2031-03-31"]),
        ("year", ["2031"]),
        ("percent", ["2.5 %", "0.05%", "12.345 %", "100%"]),
        ("ratio", ["1.2x", "1.15:1", "12.5x"]),
        ("yes_no", ["yes", "No", "false"]),
        ("amount", ["EUR 250,000,000", "1,250"]),
        ("name", ["Alder  Grid Ltd."]),
        ("schedule", ["06/2027: 40%; 12/2027: 60%"]),
    ],
)
def test_a_plain_value_stays_the_same_value_to_two_decimals(kind, texts):
    field = next(each for each in FIELDS.values() if each.kind == kind)
    for text in texts:
        kept = normalised(field, text)
        assert same(field, kept, text) == (text != "12.345 %")


@given(st.sampled_from(list(FIELDS.values())), st.text(max_size=40))
def test_any_text_has_a_form_that_stays(field, text):
    once = normalised(field, text)
    assert normalised(field, once) == once
