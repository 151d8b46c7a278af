"""One form for each value: what says the same is the same, and nothing else is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import canonical, problem, same
from harness.extraction.values.numbers import decimal, plain_decimal

OF_KIND = {field.kind: field for field in reversed(list(FIELDS.values()))}
FORMS = [
    ("month", "03/2024", ["March 2024", "15 March 2024", "15.03.2024", "2024-03-15", "3/2024", "Mar. 2024",
                         "March 15, 2024", "15 de marzo de 2024"]),
    ("percent", "2.5", ["2.50 %", "2,5%", "2.5 per cent per annum", "250 bps", "2.5"]),
    ("percent", "12.5", ["12.50 %", "1250 basis points"]),
    ("ratio", "1.2", ["1.20x", "1.2", "1,20 times", "1.20:1", "1.20 to 1.00"]),
    ("amount", "250000", ["EUR 250,000,000", "250 million", "€250m", "250,000", "250.000.000 EUR",
                          "EUR 250 mln", "EUR 0.25 billion"]),
    ("amount", "250", ["EUR 250,000", "0.25 million", "250 thousand", "250"]),
    ("yes_no", "Yes", ["yes", "Y", "TRUE"]),
    ("yes_no", "No", ["no", "None"]),
    ("currency", "EUR", ["EUR", "euro", "€", "eur"]),
    ("tenor", "6M", ["6M", "6 months", "six months", "6-month"]),
    ("year", "2027", ["2027", "06/2027", "June 2027"]),
    ("month_of_year", "06", ["June", "6", "06", "06/2027"]),
    ("name", "northwind holding bv", ["Northwind Holding B.V.", "NORTHWIND HOLDING BV",
                                      " Northwind  Holding B.V"]),
    ("schedule", "06/2027: 2.5; 12/2027: 97.5", ["12/2027: 97.5 %; 06/2027: 2.50",
                                                 "June 2027: 2.5%\nDecember 2027: 97.5%"]),
]  # fmt: skip
# what the original's comparator took for the same, and its like
DIFFERENT = [
    ("month", "03/2024", "03/2031"), ("percent", "2.50 %", "12.50 %"), ("percent", "5 %", "25 %"),
    ("amount", "EUR 250,000", "EUR 250,000,000"), ("name", "Term Loan", "Term Loan B"),
    ("tenor", "6M", "6 years"), ("name", "Northwind", "Northwind Holding"), ("yes_no", "No", "Norway"),
    ("ratio", "1.2x", "1.25x"), ("percent", "0.5", "50"), ("name", "Facility A", "Facility A1"),
    ("currency", "USD", "US"), ("month", "01/2024", "11/2024"), ("amount", "1,250", "1250000"),
    ("year", "2024", "2042"), ("schedule", "06/2027: 50; 12/2027: 50", "06/2027: 50"),
    ("percent", "-0.5", "0.5"), ("month_of_year", "1", "11"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "form", "renderings"), FORMS)
def test_renderings_have_one_form(kind, form, renderings):
    field = OF_KIND[kind]
    for text in renderings:
        assert canonical(field, text) == form, text
        assert same(field, text, renderings[0])
        assert problem(field, text) == ""


@pytest.mark.parametrize(("kind", "a", "b"), DIFFERENT)
def test_other_values_are_not_the_same(kind, a, b):
    field = OF_KIND[kind]
    assert not same(field, a, b)
    assert not same(field, b, a)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("percent", "40 % of margin"), ("percent", "2 to 3 %"), ("month", "13/2024"), ("month", "soon"),
        ("amount", "ten"), ("amount", "EUR 5 m and GBP 3 m"), ("yes_no", "Not specified"), ("ratio", "1.2y"),
        ("currency", "money"), ("tenor", "half a year"), ("month_of_year", "13"), ("year", "27"),
        ("choice", "something"), ("schedule", "06/2027"), ("name", "..."), ("text", " "),
        ("schedule", "06/2027: 5; 06/2027: 6"),
    ],
)  # fmt: skip
def test_what_is_no_value_has_no_form_and_says_why(kind, text):
    field = OF_KIND[kind]
    assert canonical(field, text) is None
    assert not same(field, text, text)
    assert problem(field, text).startswith(f"{field.name}: ")


@given(st.sampled_from(sorted(OF_KIND)), st.text(max_size=25))
def test_a_form_is_its_own_form(kind, text):
    field = OF_KIND[kind]
    form = canonical(field, text)
    if form is not None:
        assert canonical(field, form) == form
        assert same(field, text, form)


@given(st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False))
def test_numbers_are_read_as_they_are_written(number):
    plain = plain_decimal(number)
    assert decimal(f"{number:,.2f}") == number
    german = f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
    assert decimal(german) == number
    assert Decimal(plain) == number
    assert canonical(OF_KIND["percent"], f"{number} %") == plain


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250,000", "250000"),
        ("0,125", "0.125"),
        ("1.250.000", "1250000"),
        ("1,250.5", "1250.5"),
        ("2.500", "2.500"),
    ],
)
def test_separators(text, number):
    assert decimal(text) == Decimal(number)


def test_mixtures_that_say_nothing():
    assert decimal("1,2,3") is None
    assert decimal("12.34,56.7") is None
