import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.retrieval.words import documented_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DSCR of 1.20x", ["dscr", "of", "1.20x"]),
        ("2.5% or 2.5 %", ["2.5%", "or", "2.5%"]),
        ("2,5 %.", ["2,5%"]),
        ("the D&C contractor", ["the", "d&c", "contractor"]),
        ("crédit renouvelé", ["crédit", "renouvelé"]),
        ("cre\u0301dit", ["crédit"]),
        ("ﬁnance", ["finance"]),
        ("EUR 250,000,000.50", ["eur", "250,000,000.50"]),
        ("03/2027", ["03", "2027"]),
        ("2027-03-31", ["2027", "03", "31"]),
        ("lock-up net debt/EBITDA", ["lock", "up", "net", "debt", "ebitda"]),
        ("the Borrower's and lenders’ share", ["the", "borrower", "and", "lenders", "share"]),
        ("6M A1 clause 12.3.1.", ["6m", "a1", "clause", "12.3.1"]),
        ("snake_case", ["snake", "case"]),
        ("", []),
        (" .,%& ", []),
    ],
)
def test_words_keep_what_loan_documents_are_full_of(text, found):
    assert words(text) == found


def test_the_documented_words_break_at_everything_else():
    assert documented_words("DSCR 1.20x, D&C crédit") == ["dscr", "1", "20x", "d", "c", "cr", "dit"]


@settings(deadline=None)
@given(st.text(max_size=100))
def test_words_have_no_space_and_stay_as_they_are(text):
    for word in words(text):
        assert word
        assert not any(character.isspace() for character in word)


@settings(deadline=None)
@given(st.lists(st.text("abcdeé0123456789", min_size=1, max_size=8)))
def test_a_text_has_the_words_of_its_lines(lines):
    assert words("\n".join(lines)) == [word for line in lines for word in words(line)]
