"""Amounts, percentages and ratios in their one form."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from harness.extraction.values.currencies import NAMED

_NUMBER = re.compile(r"[-+]?\d[\d.,' ]*(?<=\d)|[-+]?\d")
_UNITS = (
    ("billions", 10**9), ("billion", 10**9), ("bn", 10**9), ("millions", 10**6), ("million", 10**6),
    ("mln", 10**6), ("mio", 10**6), ("mm", 10**6), ("m", 10**6), ("thousands", 10**3), ("thousand", 10**3),
    ("k", 10**3), ("'000s", 10**3), ("'000", 10**3),
)  # fmt: skip
_FILLING = re.compile(r"\b(?:of|in|the|about|up to)\b")
_PERCENT_WORDS = re.compile(r"%|per\s?cent\.?|percent|p\.?a\.?|per annum|\bof\b|\bthe\b")
_BASIS_POINTS = re.compile(r"(?:bps?|basis points?)")
_RATIO = re.compile(r"([-+]?\d+(?:[.,]\d+)?)\s*(x|times|%|per ?cent)?")
_TWO_SIDES = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?::|/|to)\s*(\d+(?:[.,]\d+)?)(?:\s*x)?")
_BLANK_GROUPS = re.compile(r"(?P<whole>\d+(?:[ ']\d+)+)(?:[.,](?P<fraction>\d+))?")
_NOTHING = frozenset(["zero", "nil"])
_PLACES = Decimal("0.0001")


def canonical_amount(text: str) -> str | None:
    """Thousands as a plain decimal: "EUR 250,000,000", "250 million" and "250m" are 250000.

    A bare number is in thousands already, as the field's unit says. Beside a currency it counts units, and
    there three digits after a single point are a group, as no amount has thousandths: "EUR 250.000" is 250.
    """
    plain = re.sub(r"\b(?:(k)eur|eur(k|m))\b", r"eur \1\2 ", text.casefold()).strip()
    found = _NUMBER.search(plain)
    if not found or len(_NUMBER.findall(plain)) != 1:
        return None
    rest = f"{plain[: found.start()]} {plain[found.end() :]}"
    rest, currencies = NAMED.subn(" ", rest)
    rest, factor = _without_unit(rest)
    if currencies > 1 or _FILLING.sub(" ", rest).strip(" .,()-"):
        return None
    written = found.group()
    if currencies and factor is None and re.fullmatch(r"[-+]?[1-9]\d{0,2}\.\d{3}", written):
        written = written.replace(".", "")
    number = decimal(written)
    if number is None:
        return None
    if factor is None:
        factor = 1 if currencies else 1000
    return plain_decimal(number * factor / 1000)


def _without_unit(rest: str) -> tuple[str, int | None]:
    for word, size in _UNITS:
        pattern = rf"(?:(?<=\s)|^){re.escape(word)}(?=\s|$|\.)"
        if re.search(pattern, rest):
            return re.sub(pattern, " ", rest, count=1), size
    return rest, None


def canonical_percent(text: str) -> str | None:
    """A plain decimal: "2.50 %", "2,5 per cent per annum" and "250 bps" are 2.5.

    A single comma is the decimal sign, since no percentage has thousands: "1,250 %" is 1.25.
    """
    plain = text.casefold().strip()
    if plain.strip(" .%") in _NOTHING or _PERCENT_WORDS.sub(" ", plain).strip(" .()") in _NOTHING:
        return "0"
    found = _NUMBER.search(plain)
    if not found or len(_NUMBER.findall(plain)) != 1:
        return None
    written, rest = found.group(), f"{plain[: found.start()]} {plain[found.end() :]}"
    is_points = bool(_BASIS_POINTS.search(rest))
    if written.count(",") == 1 and "." not in written and not is_points:
        written = written.replace(",", ".")
    number = decimal(written)
    if number is None:
        return None
    if is_points:
        number, rest = number / 100, _BASIS_POINTS.sub(" ", rest, count=1)
    return None if _PERCENT_WORDS.sub(" ", rest).strip(" .()") else plain_decimal(number)


def canonical_ratio(text: str) -> str | None:
    """A plain decimal: "1.20x", "1,20 times", "1.2:1", "1.20 to 1.00", "120 %" are 1.2, "7:3" is 2.3333."""
    plain = text.casefold().strip(" .")
    if sides := _TWO_SIDES.fullmatch(plain):
        above, below = (Decimal(side.replace(",", ".")) for side in sides.groups())
        if not below:
            return None
        return plain_decimal(above if below == 1 else (above / below).quantize(_PLACES, ROUND_HALF_EVEN))
    found = _RATIO.fullmatch(plain)
    if found is None:
        return None
    number = Decimal(found[1].replace(",", "."))
    return plain_decimal(number / 100 if found[2] in ("%", "percent", "per cent") else number)


def decimal(text: str) -> Decimal | None:
    """A number with separators.

    The last of "." and "," is the decimal sign, unless it stands before groups of three digits only: 250,000
    and 1.250.000 are whole, 2,5 and 1,250.5 are not. Blanks and apostrophes part groups of three. None for
    other mixtures.
    """
    plain = text.strip()
    sign = "-" if plain.startswith("-") else ""
    plain = plain.lstrip("+-").strip()
    if blanks := _BLANK_GROUPS.fullmatch(plain):
        groups = re.split(r"[ ']", blanks["whole"])
        return _decimal(f"{sign}{''.join(groups)}.{blanks['fraction'] or 0}") if _is_grouped(groups) else None
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
