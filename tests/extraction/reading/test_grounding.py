"""A quote is a span of what was shown, or it is nowhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.asks import Ask, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading.grounding import NOWHERE, ground, shown
from harness.extraction.reading.shown import neutral

TEXT = (
    "The Margin in respect of Facility A is 2.35 per cent.\n  per annum. “Base Rate” means EURIBOR.\n"
    "The Lenders may, acting reasonably and after consultation, waive this.\n12| Margin: 9 %\n"
)


def stretch(text=TEXT, start=0, end=None):
    company = Company("c", (Document("d", text),))
    offset = company.starts[0]
    passage = Passage(offset + start, offset + (len(text) if end is None else end))
    return company, shown(Ask(company, "window", ("spread",), (passage,)))


@pytest.mark.parametrize(
    ("quote", "alignment", "found"),
    [
        ("The Margin in respect of Facility A", "exact", "The Margin in respect of Facility A"),
        ("2.35 per cent. per annum", "exact", "2.35 per cent.\n  per annum"),
        ("the margin IN respect", "exact", "The Margin in respect"),
        ('"means EURIBOR".', "lesser", "means EURIBOR"),
        (
            "The Lenders may ... waive this",
            "greater",
            "The Lenders may, acting reasonably and after consultation, waive this",
        ),
        (
            "The Lenders may […] waive this",
            "greater",
            "The Lenders may, acting reasonably and after consultation, waive this",
        ),
        ("12| Margin: 9 %", "exact", "12| Margin: 9 %"),
    ],
)
def test_where_a_quote_stands(quote, alignment, found):
    company, there = stretch()
    result = ground(there, quote)
    assert (result.alignment, company.text[result.span.start : result.span.end]) == (alignment, found)


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "  ",
        "...",
        "“”",
        "The Margin is 2.35 per cent",
        "waive this ... The Lenders may",
        "2.36 per cent",
        "a ... b",
        "(.*)",
    ],
)
def test_what_is_not_there_is_nowhere(quote):
    assert ground(stretch()[1], quote) == NOWHERE


def test_nothing_is_found_outside_of_what_was_shown():
    end = TEXT.index("per annum")
    assert ground(stretch(end=end)[1], "means EURIBOR") == NOWHERE
    # half inside is outside
    assert ground(stretch(end=TEXT.index("EURIBOR") + 3)[1], "means EURIBOR") == NOWHERE


def test_a_quote_may_cross_the_border_of_passages_that_touch():
    company = Company("c", (Document("d", TEXT),))
    border = company.text.index("EURIBOR")
    ask = Ask(company, "window", ("spread",), (Passage(border, border + 20), Passage(0, border)))
    assert ground(shown(ask), "means EURIBOR").alignment == "exact"


def test_the_same_case_comes_before_an_earlier_other_case():
    company, there = stretch("the MARGIN is 1 %\nthe Margin is 2 %\n")
    span = ground(there, "the Margin").span
    assert company.text[span.start : span.end + 5] == "the Margin is 2"


@settings(deadline=None)
@given(st.text(alphabet="aAb .,\n\x08<|…", max_size=60), st.text(alphabet="aAb .,\n\x08<|…", max_size=12))
def test_a_span_always_says_what_the_quote_says(text, quote):
    company, there = stretch(text + "\n" + text)
    result = ground(there, quote)
    assert (result.span is None) == (result.alignment == "none")
    if result.alignment == "exact":
        said = company.text[result.span.start : result.span.end]
        assert neutral(said).lower().split() == neutral(quote).lower().split()


@settings(deadline=None)
@given(st.text(alphabet="ab .\n", min_size=1, max_size=80), st.data())
def test_every_stretch_of_the_text_is_found(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    quote = text[start:end]
    result = ground(stretch(text)[1], quote)
    assert (result.alignment == "exact") == bool(quote.strip())
