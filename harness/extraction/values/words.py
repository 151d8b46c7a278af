"""Names, expressions and prose in their one form."""

from __future__ import annotations

import re
import unicodedata

_LEGAL_FORM = re.compile(
    r"\b(?:b\.?v\.?|n\.?v\.?|s\.?a\.?|s\.?p\.?a\.?|gmbh|ag|ltd|limited|llc|l\.?p\.?|plc|inc|s\.?l\.?|a\.?s\.?|oy|"
    r"s\.?a\.?r\.?l\.?|public limited company|incorporated|corporation|corp)\.?$"
)
_SHORT = {"limited": "ltd", "public limited company": "plc", "incorporated": "inc", "corporation": "corp"}
_DEFINED = re.compile(r"\s*\((?:the\s+|each an?\s+|an?\s+)?[\"“”'‘’][^()]*[\"“”'‘’]\)")
_TOKEN = re.compile(r"(?:(?<![^\W_])-)?[^\W_]+(?:[.,/][^\W_]+)*%?|[<>≤≥=+€£$¥]")
_FACILITY_WORDS = frozenset(["facility", "facilities"])
_NACE = re.compile(r"(?:nace )?(?:code )?(?:[a-u] ?(\d\d(?:\.\d+){0,2})|(\d\d(?:\.\d+){1,2}))(?: |$)")
_RATE_WORDS = frozenset(
    "a the one two three six twelve week weeks month months monthly year years m w y d on rate rates "
    "reference base interest".split()
)
_TENOR = re.compile(r"\d+[dwmy]?")
_COUNTRIES = {
    "uk": "united kingdom", "great britain": "united kingdom", "gb": "united kingdom", "usa": "united states",
    "us": "united states", "united states of america": "united states", "holland": "netherlands",
    "nl": "netherlands", "de": "germany", "fr": "france", "es": "spain", "it": "italy", "pt": "portugal",
    "be": "belgium", "pl": "poland", "kingdom of spain": "spain", "kingdom of belgium": "belgium",
    "federal republic of germany": "germany", "french republic": "france", "italian republic": "italy",
    "portuguese republic": "portugal", "kingdom of norway": "norway", "kingdom of denmark": "denmark",
    "kingdom of sweden": "sweden", "kingdom of netherlands": "netherlands", "republic of ireland": "ireland",
    "republic of poland": "poland",
}  # fmt: skip


def without_accents(text: str) -> str:
    """Letters without marks."""
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


def _folded(text: str) -> str:
    # folding may decompose anew
    return without_accents(without_accents(text).casefold())


def canonical_name(text: str) -> str | None:
    """Lower case without accents, outer punctuation and what the contract calls it. Legal forms become short
    and lose their dots, but stay: "Alder Ltd" is not "Alder B.V.". None without a letter or digit."""
    plain = _folded(_DEFINED.sub("", text)).strip(" .,;:\"'()[]")
    plain = " ".join(re.sub(r"[\"'’`,()]", " ", plain).replace("&", " and ").split())
    plain = _LEGAL_FORM.sub(_short_form, plain).strip(" .,;:[]")
    return plain if any(character.isalnum() for character in plain) else None


def _short_form(found: re.Match[str]) -> str:
    plain = found.group().replace(".", "")
    return _SHORT.get(plain, plain)


def canonical_facility_name(text: str) -> str | None:
    """As a name, without the word facility and an article: "the Term Loan B Facility" is "term loan b"."""
    name = canonical_name(text)
    words = [] if name is None else name.split()
    if words and words[0] == "the":
        words = words[1:]
    return " ".join([word for word in words if word not in _FACILITY_WORDS] or words) or None


def canonical_text(text: str) -> str | None:
    """Words, numbers and telling signs in lower case; "semi-annual" is "semi annual", "D&C" is "d and c"."""
    plain = re.sub(r"(?<=\d)\s+%", "%", _folded(text).replace("&", " and ").replace("−", "-"))
    return " ".join(_TOKEN.findall(plain)) or None


def canonical_country(text: str) -> str | None:
    """A country's usual name in lower case, whatever its long name or code."""
    name = canonical_name(text)
    if name is None:
        return None
    name = re.sub(r"\bthe ", "", name)
    name = re.sub(r"\b(\w)\.(?=\w\b)", r"\1", name)  # U.K.
    return _COUNTRIES.get(name, name)


def canonical_nace(text: str) -> str | None:
    """The digits of a NACE code in front, "35.11", which tell its letter; of a text without one the text."""
    plain = canonical_text(text)
    found = _NACE.match(plain or "")
    return plain if found is None else found[1] or found[2]


def canonical_benchmark(text: str) -> str | None:
    """A reference rate without its tenor: "6M EURIBOR" is "euribor", "Term SOFR" is not "sofr"."""
    plain = canonical_text(text)
    if plain is None:
        return None
    words = [word for word in plain.split() if word not in _RATE_WORDS and not _TENOR.fullmatch(word)]
    return " ".join(words) if any(map(str.isalpha, words)) else None
