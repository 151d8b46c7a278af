"""Numbers of a workbook as people see them: by the cell's number format, as far as text goes."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal

_GENERAL = ("", "general", "@")
# what stands before the digits, the digits, what stands behind
_SECTION = re.compile(
    r'(?P<before>(?:"[^"]*"|\\.|\[[^\]]*\]|_.|\*.|[^0#?"\\\[_*])*)'
    r"(?P<digits>[0#?,]*[0#?](?P<scale>,*)(?:\.(?P<decimals>[0#?]*))?)"
    r"(?P<after>.*)",
    re.DOTALL,
)
_LITERAL = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<one>.)|\[\$(?P<money>[^\]-]*)[^\]]*\]|\[[^\]]*\]|_.|\*.|(?P<plain>.)'
)
_SIGNIFICANT = 15
_LONGEST = 255  # what a workbook allows


def shown(value: object, number_format: str) -> str:
    """A cell's value as text: `2.50%`, `1.20x`, `EUR 250,000`, `2027-03-31`; empty for an empty cell.

    Dates are ISO dates whatever their format. A format that is none of digits gives the number with up to
    15 significant digits, as a workbook keeps them.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float):
        return _number(Decimal(repr(value)), number_format)
    return str(value)


def _number(value: Decimal, number_format: str) -> str:
    if not value.is_finite():
        return str(value)
    sections = _sections(number_format if len(number_format) <= _LONGEST else "")
    own_sign = value < 0 and len(sections) > 1
    section = sections[1] if own_sign else sections[2] if value == 0 and len(sections) > 2 else sections[0]
    found = _SECTION.fullmatch(section)
    if section.lower() in _GENERAL or found is None or found["after"][:2].upper() in ("E+", "E-"):
        # a zero may be a word; any other number is too much to lose
        return _literals(section).strip() if value == 0 and len(sections) > 2 else _plain(value)
    before, after = _literals(found["before"]), _literals(found["after"])
    scaled = value * 100 ** (before + after).count("%") / 1000 ** len(found["scale"])
    decimals = len(found["decimals"] or "")
    try:
        rounded = abs(scaled).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    except ArithmeticError:
        return _plain(value)
    digits = f"{rounded:,f}" if "," in found["digits"].removesuffix(found["scale"]) else f"{rounded:f}"
    optional = len((found["decimals"] or "").rstrip("#?"))
    if "." in digits and optional < decimals:
        whole, _, rest = digits.partition(".")
        rest = rest[:optional] + rest[optional:].rstrip("0")
        digits = f"{whole}.{rest}" if rest else whole
    sign = "-" if scaled < 0 and rounded and not own_sign else ""
    return f"{sign}{before}{digits}{after}".strip()


def _sections(number_format: str) -> list[str]:
    """The format's parts for positive, negative and zero; semicolons in quotes part nothing."""
    parts = re.findall(r'(?:"[^"]*"|\\.|[^;"\\])+|(?<=;)(?=;|$)', number_format)
    return parts or [""]


def _literals(text: str) -> str:
    return "".join(
        found["quoted"] or found["one"] or found["money"] or found["plain"] or ""
        for found in _LITERAL.finditer(text)
    )


def _plain(value: Decimal) -> str:
    short = Decimal(f"{value:.{_SIGNIFICANT}g}").normalize()
    return f"{short:f}" if abs(short.adjusted()) < _SIGNIFICANT + 5 else str(short)
