"""Amounts, percentages and ratios in their one form."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_NUMBER = re.compile(r"[-+]?\d[\d.,' ]*(?<=\d)|[-+]?\d")
_UNITS = (
    ("billion", 10**9), ("bn", 10**9), ("million", 10**6), ("mln", 10**6), ("mio", 10**6), ("m", 10**6),
    ("thousand", 10**3), ("k", 10**3), ("'000", 10**3),
)  # fmt: skip
_AMOUNT_WORDS = re.compile(
    r"(?:eur|gbp|usd|chf|dkk|sek|nok|pln|euros?|us|dollars?|pounds?|sterling|of|the|about|up to|[€£$])",
)
_PERCENT_WORDS = re.compile(r"%|per\s?cent\.?|percent|p\.?a\.?|per annum|of|the")
_BASIS_POINTS = re.compile(r"(?:bps?|basis points?)")
_RATIO = re.compile(r"([-+]?\d+(?:[.,]\d+)?)\s*(?:x|times|: ?1(?:[.,]0+)?|to 1(?:[.,]0+)?)?")


def canonical_amount(text: str) -> str | None:
    """Thousands as a plain decimal: "EUR 250,000,000", "250 million" and "250m" are 250000.

    A bare number is in thousands already, as the field's unit says, when no currency stands beside it.
    """
    plain = text.casefold().strip()
    found = _NUMBER.search(plain)
    if not found or len(_NUMBER.findall(plain)) != 1:
        return None
    number = decimal(found.group())
    rest = f"{plain[: found.start()]} {plain[found.end() :]}".strip()
    factor = Decimal(1000)
    named = False
    for word, size in _UNITS:
        pattern = rf"(?:(?<=\s)|^){re.escape(word)}(?=\s|$|\.)"
        if re.search(pattern, rest):
            factor, rest, named = Decimal(size), re.sub(pattern, " ", rest), True
            break
    left, count = _AMOUNT_WORDS.subn(" ", rest)
    if number is None or left.strip(" .,()-"):
        return None
    if not named:
        factor = Decimal(1) if count else Decimal(1000)
    return plain_decimal(number * factor / 1000)


def canonical_percent(text: str) -> str | None:
    """A plain decimal: "2.50 %", "2,5 per cent per annum" and "250 bps" are 2.5."""
    plain = text.casefold().strip()
    found = _NUMBER.search(plain)
    if not found or len(_NUMBER.findall(plain)) != 1:
        return None
    number = decimal(found.group())
    rest = f"{plain[: found.start()]} {plain[found.end() :]}"
    if number is None:
        return None
    if _BASIS_POINTS.search(rest):
        number, rest = number / 100, _BASIS_POINTS.sub(" ", rest)
    if _PERCENT_WORDS.sub(" ", rest).strip(" .()"):
        return None
    return plain_decimal(number)


def canonical_ratio(text: str) -> str | None:
    """A plain decimal: "1.20x", "1,20 times", "1.2:1" and "1.20 to 1.00" are 1.2."""
    found = _RATIO.fullmatch(text.casefold().strip(" ."))
    number = decimal(found[1]) if found else None
    return None if number is None else plain_decimal(number)


def decimal(text: str) -> Decimal | None:
    """A number with separators.

    The last of "." and "," is the decimal sign, unless it stands before groups of three digits only: 250,000
    and 1.250.000 are whole, 2,5 and 1,250.5 are not. None for other mixtures.
    """
    plain = text.replace(" ", "").replace("'", "").replace("\u00a0", "")
    sign = "-" if plain.startswith("-") else ""
    plain = plain.lstrip("+-")
    last = max(plain.rfind("."), plain.rfind(","))
    if last < 0:
        return _decimal(sign + plain)
    mark, other = plain[last], "," if plain[last] == "." else "."
    whole, fraction = plain[:last], plain[last + 1 :]
    if plain.count(mark) > 1:  # groups
        groups = plain.split(mark)
        return _decimal(sign + "".join(groups)) if _is_grouped(groups) and other not in plain else None
    if other in whole:
        groups = whole.split(other)
        return _decimal(f"{sign}{''.join(groups)}.{fraction}") if _is_grouped(groups) else None
    if mark == "," and len(fraction) == 3 and whole != "0":
        return _decimal(sign + whole + fraction)
    return _decimal(f"{sign}{whole}.{fraction}")


def plain_decimal(number: Decimal) -> str:
    """Without exponent, trailing zeros and negative zero."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0", "-") else text


def _is_grouped(groups: list[str]) -> bool:
    return 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
