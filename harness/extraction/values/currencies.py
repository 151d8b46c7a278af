"""Currencies by their ISO codes."""

from __future__ import annotations

import re

CODES = frozenset(
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP GEL HKD HUF IDR ILS INR ISK JPY KRW KZT MAD "
    "MXN MYR NGN NOK NZD PEN PHP PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR".split()
)
_WORDS = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "sterling": "GBP", "pound sterling": "GBP",
    "pounds sterling": "GBP", "$": "USD", "us dollar": "USD", "us dollars": "USD", "dollars": "USD",
    "us$": "USD", "a$": "AUD", "australian dollars": "AUD", "c$": "CAD", "canadian dollars": "CAD",
    "new zealand dollars": "NZD", "hong kong dollars": "HKD", "singapore dollars": "SGD",
    "swiss francs": "CHF", "swiss franc": "CHF", "danish kroner": "DKK", "swedish kronor": "SEK",
    "norwegian kroner": "NOK", "polish zloty": "PLN", "zloty": "PLN", "czech koruna": "CZK",
    "hungarian forint": "HUF", "yen": "JPY", "¥": "JPY", "renminbi": "CNY", "rand": "ZAR",
}  # fmt: skip
_LONGEST_FIRST = sorted(
    [*_WORDS, *(code.casefold() for code in sorted(CODES))], key=lambda word: (-len(word), word)
)
NAMED = re.compile("|".join(rf"(?<![^\W\d_]){re.escape(word)}(?![^\W\d_])" for word in _LONGEST_FIRST))
"""A currency in lower-case text, as a code, a sign or a name."""


def canonical_currency(text: str) -> str | None:
    """The ISO code of a code, a sign or a name: "EUR", "euro (EUR)"; None for several currencies."""
    plain = text.casefold()
    if NAMED.sub(" ", plain).strip(" .()[],;\"'"):
        return None
    return named_currency(plain)


def named_currency(text: str) -> str | None:
    """The one currency that a text names; None when it names none, or several."""
    codes = {_WORDS.get(found.group(), found.group().upper()) for found in NAMED.finditer(text.casefold())}
    return codes.pop() if len(codes) == 1 else None
