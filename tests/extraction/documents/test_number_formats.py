import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.documents.number_formats import shown


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (None, "General", ""),
        ("EUR 250", "General", "EUR 250"),
        (True, "General", "TRUE"),
        (250000000, "General", "250000000"),
        (0.1 + 0.2, "General", "0.3"),
        (1e-7, "General", "0.0000001"),
        (1e300, "General", "1E+300"),
        (0.025, "0.00%", "2.50%"),
        (0.025, "0%", "3%"),
        (0.125, "0.0%", "12.5%"),
        (1.2, '0.00"x"', "1.20x"),
        (1.2, "0.00x", "1.20x"),
        (1.2, "0.00\\x", "1.20x"),
        (250000, "#,##0", "250,000"),
        (250000.5, "#,##0.00", "250,000.50"),
        (250000, '"EUR" #,##0', "EUR 250,000"),
        (250000, "[$€-407] #,##0", "€ 250,000"),
        (250000, "[$-409]#,##0", "250,000"),
        (250000, "#,##0 [$EUR]", "250,000 EUR"),
        (250000000, '#,##0,,"m"', "250m"),
        (-250, "#,##0;(#,##0)", "(250)"),
        (-250, "#,##0_);[Red](#,##0)", "(250)"),
        (0, '0.0;-0.0;"-"', "-"),
        (-250, "#,##0", "-250"),
        (-0.001, "0.00", "0.00"),
        (2.5, "0.##", "2.5"),
        (2, "0.##", "2"),
        (2.345, "0.00", "2.35"),
        (1.005, "0.00", "1.01"),
        (12, "@", "12"),
        (1234.5, "0.00E+00", "1234.5"),
        (3, "odd", "3"),
        (3, '"unclosed 0', "unclosed 3"),
        (datetime.datetime(2027, 3, 31), "mm/yyyy", "2027-03-31"),
        (datetime.datetime(2027, 3, 31, 12, 30), "General", "2027-03-31 12:30:00"),
        (datetime.time(12, 30), "h:mm", "12:30:00"),
    ],
)
def test_values_are_shown_as_people_see_them(value, number_format, text):
    assert shown(value, number_format) == text


@settings(deadline=None)
@given(st.floats(), st.text('0#?,.%;"\\[]_*Ex €', max_size=40))
def test_any_format_gives_a_line(value, number_format):
    text = shown(value, number_format)
    assert "\n" not in text


def test_a_format_made_to_be_slow_is_not():
    assert shown(5, '"a"' * 80) == "5"
    assert shown(5, "0," * 5000) == "5"


@settings(deadline=None)
@given(st.decimals(-(10**9), 10**9, places=2).map(float))
def test_two_decimals_give_the_number_back(value):
    assert float(shown(value, "#,##0.00").replace(",", "")) == pytest.approx(value, abs=0.005)
