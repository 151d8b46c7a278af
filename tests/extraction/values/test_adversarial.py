"""What must not be the same, what must, and what holds for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import canonical, problem, same

OF_KIND = {field.kind: field for field in reversed(list(FIELDS.values()))}

DIFFERENT = [
    ("term", "Term Loan", "Term Loan B"),
    ("facility_name", "Term Loan", "Term Loan B"),
    ("facility_name", "Facility A", "Facility B"),
    ("country", "No", "Norway"),
    ("country", "Niger", "Nigeria"),
    ("tenor", "6M", "6 years"),
    ("tenor", "1W", "1M"),
    ("yes_no", "N/A", "No"),
    ("yes_no", "Not applicable", "No"),
    ("amount", "EUR 1²m", "EUR 12m"),
    ("percent", "5² %", "52 %"),
    ("ratio", "1.2¹", "1.21"),
    ("year", "²027", "2027"),
    ("text", "500 m²", "500 m"),
    ("amount", "EUR 5m", "USD 5m"),
    ("amount", "€5m", "£5m"),
    ("amount", "EUR 250.000", "EUR 250"),
    ("amount", "EUR 250,000", "EUR 250 million"),
    ("amount", "EUR 2 50", "EUR 250"),
    ("percent", "5 5 %", "55 %"),
    ("percent", "2 50 %", "250 %"),
    ("percent", "1,250 %", "1250 %"),
    ("percent", "40 % of margin", "40 %"),
    ("percent", "25 bps", "25 %"),
    ("ratio", "1.2x", "12x"),
    ("ratio", "70:30", "30:70"),
    ("text", "falls to -0.5%", "falls to 0.5%"),
    ("text", "not repaid", "repaid"),
    ("text", "DSCR ≥ 1.2", "DSCR ≤ 1.2"),
    ("text", "equal annual instalments", "equal quarterly instalments"),
    ("term", "€5", "$5"),
    ("name", "Alder Ltd", "Alder B.V."),
    ("name", "Alder (UK) Ltd", "Alder (US) Ltd"),
    ("nace", "35.11", "35.12"),
    ("nace", "35.1", "35.11"),
    ("nace", "35 wind farms", "35 gas plants"),
    ("benchmark", "SOFR", "Term SOFR"),
    ("benchmark", "EURIBOR", "LIBOR"),
    ("month_of_year", "1", "11"),
    ("schedule", "03/2027: 50%", "03/2027: 5%"),
    ("schedule", "03/2027: 50%, 09/2027: 50%", "03/2027: 50%"),
]
THE_SAME = [
    ("month", "03/2027", ["31/03/2027", "03/31/2027", "2027-03-31 00:00:00", "2027-03-31T09:30:00Z",
                          "31st day of March 2027", "31-Mar-2027", "31 marca 2027", "31 de março de 2027"]),
    ("percent", "1.25", ["1,250 %", "1.250%", "125 bps"]),
    ("percent", "2.5", ["2.50 %¹", "2.5² %"]),
    ("percent", "0", ["zero", "nil", "zero per cent.", "0.00 %"]),
    ("amount", "5000", ["AUD 5 million", "EUR 5 millions", "EURm 5", "kEUR 5,000", "EUR 5.000.000",
                        "5 000 000 EUR", "CHF 5'000'000", "$5m"]),
    ("amount", "250", ["EUR 250.000", "EUR 250,000", "250"]),
    ("ratio", "1.2", ["120%", "1.20 : 1.00", "1.2 times"]),
    ("ratio", "2.3333", ["70:30", "70/30", "7 to 3"]),
    ("yes_no", "Yes", ["ja", "Yes (interest rate swaps)", "Yes, in full"]),
    ("yes_no", "No", ["nein", "No: see clause 4", "não"]),
    ("name", "alder ltd", ["Alder Limited", 'Alder Ltd (the "Borrower")', "ALDER LTD."]),
    ("facility_name", "term loan b", ["Term Loan B", "the Term Loan B Facility"]),
    ("facility_name", "facility", ["Facility", "the Facility"]),
    ("country", "netherlands", ["The Netherlands", "Netherlands", "the Kingdom of the Netherlands"]),
    ("country", "united kingdom", ["UK", "U.K.", "Great Britain"]),
    ("nace", "35.11", ["D35.11", "D 35.11", "35.11 Production of electricity"]),
    ("benchmark", "euribor", ["6M EURIBOR", "Euribor", "six-month EURIBOR", "EURIBOR (6 months)"]),
    ("tenor", "ON", ["ON", "overnight", "O/N"]),
    ("tenor", "12M", ["1 year", "12 months", "12M"]),
    ("currency", "AUD", ["AUD", "Australian dollars", "Australian Dollars (AUD)"]),
    ("text", "semi annual instalments", ["Semi-annual instalments.", "semi annual  instalments"]),
    ("schedule", "03/2027: 50; 09/2027: 50", ["03/2027: 50%, 09/2027: 50%", "50% on 03/2027; 50% on 09/2027",
                                              "50% on 31 March 2027 and 50% on 30 September 2027"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "a", "b"), DIFFERENT)
def test_different(kind, a, b):
    assert not same(OF_KIND[kind], a, b)
    assert not same(OF_KIND[kind], b, a)


@pytest.mark.parametrize(("kind", "form", "texts"), THE_SAME)
def test_the_same(kind, form, texts):
    assert {text: canonical(OF_KIND[kind], text) for text in texts} == dict.fromkeys(texts, form)


@pytest.mark.parametrize("kind", sorted(OF_KIND))
@pytest.mark.parametrize(
    "text", ["NOT_FOUND", "POSSIBLY_PRESENT", "not specified", "Unknown", "null", "-", "", "(not stated)"]
)
def test_a_word_for_nothing_is_no_value(kind, text):
    assert canonical(OF_KIND[kind], text) is None
    assert problem(OF_KIND[kind], text)


def test_every_choice_is_a_value_of_its_own():
    for field in FIELDS.values():
        assert [canonical(field, choice) for choice in field.choices] == list(field.choices)


def test_a_plural_is_the_same_choice():
    assert canonical(FIELDS["mitigant_type"], "availability payments") == "Availability payment"


def test_three_codes_that_are_no_currency():
    assert canonical(OF_KIND["currency"], "XYZ") is None
    assert canonical(OF_KIND["currency"], "EUR and USD") is None


PIECES = st.lists(
    st.sampled_from(
        ["2", "50", ".", ",", " ", "%", "EUR", "€", "m", "million", "x", ":", "1", "/", "03/2027", "2027",
         "March", "Term Loan", "B", "facility", "the", "(", ")", "-", "&", "Ltd", "6M", "not", "und", "ß",
         "İ", "ﬁ", "é", ";"]
    ),
    max_size=7,
).map("".join)  # fmt: skip


@given(st.sampled_from(sorted(OF_KIND)), st.one_of(PIECES, st.text(max_size=30)))
def test_a_form_is_its_own_form(kind, text):
    form = canonical(OF_KIND[kind], text)
    if form is not None:
        assert canonical(OF_KIND[kind], form) == form
        assert same(OF_KIND[kind], text, text)
        assert same(OF_KIND[kind], form, text)
    assert bool(problem(OF_KIND[kind], text)) == (form is None)


@given(st.sampled_from(sorted(OF_KIND)), PIECES, PIECES)
def test_it_does_not_matter_which_comes_first(kind, a, b):
    assert same(OF_KIND[kind], a, b) == same(OF_KIND[kind], b, a)


@given(st.sampled_from(sorted(OF_KIND)), PIECES, st.sampled_from([" ", "  ", "\t", "\n", "\u00a0"]))
def test_blanks_around_a_value_say_nothing(kind, text, blank):
    assert canonical(OF_KIND[kind], f"{blank}{text}{blank}") == canonical(OF_KIND[kind], text)


CENTS = st.integers(0, 10**7)


@given(CENTS, CENTS)
def test_percentages_are_the_same_only_when_their_numbers_are(one, other):
    field = OF_KIND["percent"]
    texts = [f"{number / 100:.2f} %" for number in (one, other)]
    assert same(field, *texts) == (one == other)
    assert same(field, texts[0], texts[0].replace(".", ","))
    assert same(field, texts[0], f"{one} bps")


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_amounts_are_the_same_only_when_their_numbers_are(one, other):
    field = OF_KIND["amount"]
    assert same(field, f"EUR {one:,}", f"EUR {other:,}") == (one == other)
    for sign in (".", " ", "'"):
        assert same(field, f"EUR {one:,}", f"EUR {one:,}".replace(",", sign))


MONTHS = st.tuples(st.integers(1, 12), st.integers(1950, 2100))


@given(MONTHS, MONTHS, st.integers(13, 28))
def test_months_are_the_same_only_when_both_numbers_are(one, other, day):
    field = OF_KIND["month"]
    text = "{:02}/{}".format(*one)
    assert same(field, text, "{:02}/{}".format(*other)) == (one == other)
    forms = (f"{day}/{text}", f"{one[0]}/{day}/{one[1]}", f"{one[1]}-{one[0]:02}-{day}")
    assert all(same(field, text, form) for form in forms)
