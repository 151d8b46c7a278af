"""Nine fields whose value a regular expression finds in the text that was shown."""

from __future__ import annotations

import pytest

from harness.extraction.asks import Ask, Passage
from harness.extraction.company import Company, Document
from harness.extraction.documented.patterns import PATTERNS, first_pattern
from harness.extraction.schema.fields import FIELDS


def ask(text: str, key: str) -> Ask:
    company = Company("x", (Document("a.txt", text),))
    return Ask(company, "deep", (key,), (Passage(company.starts[0], len(company.text)),))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("credit_limit", "the Total Commitments are EUR 250,000,000 on that day", "EUR 250,000,000"),
        ("inception_date", "This agreement is dated 4 March 2026 between", "4 March 2026"),
        ("maturity_date", "Final Repayment Date means 30/06/2041.", "30/06/2041"),
        ("spread", "The Margin is 2.35 per cent per annum", "2.35 per cent"),
        ("rate_floor", "is subject to a floor of 0.00 % per annum", "0.00 %"),
        ("rate_cap", "The rate shall not exceed 6.5%", "6.5%"),
        ("upfront_fee", "an arrangement fee of 1,25 % flat", "1,25 %"),
        ("commitment_fee", "Commitment Fee: 0.80% of the undrawn part", "0.80%"),
        ("lc_issuance_fee", "a letter of credit fee at the rate of 1.1%", "1.1%"),
    ],
)
def test_a_value_behind_its_word(key, text, value):
    asked = ask(text, key)
    found = first_pattern(FIELDS[key], asked)
    assert found is not None
    assert (found.value, found.confidence) == (value, "MEDIUM")
    assert found.evidence is not None
    assert asked.company.text[found.evidence.start : found.evidence.end] == found.quote
    assert value in found.quote


def test_there_are_nine_and_others_have_none():
    assert len(PATTERNS) == 9
    assert set(PATTERNS) <= set(FIELDS)
    assert first_pattern(FIELDS["borrower_name"], ask("the Borrower is Alder Grid", "borrower_name")) is None


@pytest.mark.parametrize(
    "text", ["", "The Margin is agreed. Fees are 2.35 %", "Marginal 2", "margin of 12345 %"]
)
def test_what_is_not_there_is_not_found(text):
    assert first_pattern(FIELDS["spread"], ask(text, "spread")) is None


def test_only_what_was_shown_is_searched():
    text = "margin 1.00 %\n" + "x" * 50 + "\nmargin 2.00 %"
    company = Company("x", (Document("a.txt", text),))
    shown = Passage(company.starts[0] + 30, len(company.text))
    found = first_pattern(FIELDS["spread"], Ask(company, "deep", ("spread",), (shown,)))
    assert found is not None
    assert found.value == "2.00 %"
