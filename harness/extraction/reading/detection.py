"""Facilities by regular expressions, for readers that cannot be asked for them; and which one a place is of.

A rule of thumb: it knows English names of loans, and takes a loan for a facility of the company when an
amount of money stands beside it or it is named more than once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from harness.extraction.asks import Ask, Facility
from harness.extraction.company import Company
from harness.extraction.reading.shown import runs

_WORD = r"[A-Z][\w&/'.-]*"
# single spaces: more, and tabs, part the columns of a table
_NAME = re.compile(
    rf"\b(?:{_WORD} (?:(?:of|and|&) )?){{0,6}}"
    r"(?:Facility|Loan|Tranche|Bond|Line|Advance|Note)(?!\w)"
    r"(?: (?:[A-Z]\d?|[IVX]{1,4}|\d{1,2})(?![\w-]))?"
    r"(?: (?:Facility|Loan))?"
)
_NOT_IN_NAMES = frozenset(
    "the this that each any all such under a an no every other either both and of in by for to its if upon "
    "senior's existing new relevant respective".split()
)
_PLAIN = frozenset({"facility", "loan", "tranche", "bond", "loan facility", "senior facility"})
_GENERIC = frozenset(
    "agreement agent office documents document party parties letter period change lender lenders commitment "
    "request obligor obligors repayment signatures".split()
)
_NEXT_WORD = re.compile(r"[ \t]+([A-Za-z]+)")
_CURRENCY = r"(?:EUR|USD|GBP|CHF|NOK|SEK|DKK|PLN|CZK|AUD|CAD|JPY|€|\$|£)"
_SCALE = r"(?:[ \t]?(?:thousand|million|billion|[kKmM]|mn|bn)\b)?"
_AMOUNT = re.compile(rf"{_CURRENCY}[ \t]?\d[\d,.' ]*\d{_SCALE}|{_CURRENCY}[ \t]?\d{_SCALE}")
_TYPES = (
    ("revolving", "revolving credit facility"),
    ("letter of credit", "letter of credit facility"),
    ("guarantee", "guarantee facility"),
    ("working capital", "working capital facility"),
    ("debt service", "debt service reserve facility"),
    ("bridge", "bridge loan"),
    ("vat", "VAT facility"),
    ("capex", "capex facility"),
    ("bond", "bond"),
    ("term", "term loan"),
)
_RARELY_FACILITIES = frozenset({"line", "advance", "note"})
_OFTEN = 4
"""So often a name must stand whose last word is seldom a loan's."""
_BESIDE = 160
"""Characters within which an amount stands beside a name."""
_MOST = 8
_MANY_CHARACTERS = 200_000


def detect_facilities(ask: Ask) -> tuple[Facility, ...]:
    """The facilities that the passages name, in the order of the text, each once under its longest name."""
    text = ask.company.text
    amounts: dict[str, str] = {}
    counts: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for passage in runs(ask.passages):
        body = text[passage.start : min(passage.end, passage.start + _MANY_CHARACTERS)]
        named = list(_names(body))
        alone = {_folded(name) for name, _ in named}
        for long_name, end in named:
            # "Drawdown of Facility B" names what it draws
            _, of, object_ = long_name.rpartition(" of ")
            name = object_ if of and _folded(object_) in alone else long_name
            key = _folded(name)
            shown.setdefault(key, name)
            counts[key] += 1
            if not amounts.get(key):
                amounts[key] = _amount(body, end - len(name), end)
    kept = [
        key for key in shown if (counts[key] >= _OFTEN if _is_rare(key) else amounts[key] or counts[key] > 1)
    ]
    longest = [key for key in kept if not any(_is_short_for(key, other) for other in kept)]
    return tuple(Facility(shown[key], _type(key), amounts[key]) for key in longest[:_MOST])


def facility_before(company: Company, facilities: Sequence[Facility], at: int) -> Facility | None:
    """The facility that the same document named last before character `at`, or in the line itself; None
    where it named none."""
    text = company.text
    begin = max((start for start in company.starts if start <= at), default=0)
    line_end = text.find("\n", at)
    body = text[begin : len(text) if line_end < 0 else line_end].lower()
    best: tuple[int, int] | None = None
    for number, facility in enumerate(facilities):
        place = max((_last(body, form) for form in _forms(facility.name)), default=-1)
        if place >= 0 and (best is None or place > best[0]):
            best = (place, number)
    return None if best is None else facilities[best[1]]


def facility_in(text: str, facilities: Sequence[Facility]) -> Facility | None:
    """The one facility that a text names; None where it names none or several."""
    body = text.lower()
    named = [each for each in facilities if any(_last(body, form) >= 0 for form in _forms(each.name))]
    # of "Term Loan A" and "Loan A" the longer name is meant
    named = [
        each
        for each in named
        if not any(
            each is not other and _folded(other.name).endswith(f" {_folded(each.name)}") for other in named
        )
    ]
    return named[0] if len(named) == 1 else None


def _names(body: str) -> Iterator[tuple[str, int]]:
    """Names with where they end. Of "the Senior Term Loan A" the name begins at Senior."""
    for match in _NAME.finditer(body):
        following = _NEXT_WORD.match(body, match.end())
        if following is not None and following.group(1).lower() in _GENERIC:
            continue
        words = match.group().split()
        while words and words[0].lower() in _NOT_IN_NAMES:
            words.pop(0)
        name = " ".join(words)
        if name and _folded(name) not in _PLAIN:
            yield name, match.end()


def _amount(body: str, start: int, end: int) -> str:
    """The nearest amount in the same paragraph, one after the name before one in front of it."""
    after = re.split(r"\n\s*\n", body[end : end + _BESIDE])[0]
    if (match := _AMOUNT.search(after)) is not None:
        return " ".join(match.group().split())
    before = re.split(r"\n\s*\n", body[max(0, start - _BESIDE) : max(0, start)])[-1]
    found = [match.group() for match in _AMOUNT.finditer(before)]
    return " ".join(found[-1].split()) if found else ""


def _type(folded: str) -> str:
    return next((name for word, name in _TYPES if word in folded), "")


def _is_rare(folded: str) -> bool:
    """Whether it is named by a word that seldom is a loan: "Line A", "Loan Note"."""
    words = folded.split()
    return any(word in _RARELY_FACILITIES for word in words[-2:]) and not {
        "facility",
        "loan",
        "tranche",
    } & set(words)


def _is_short_for(name: str, other: str) -> bool:
    """ "facility a" is short for "term loan facility a", "term loan" for no "term loan b"."""
    return name != other and other.endswith(f" {name}")


def _forms(name: str) -> Iterator[str]:
    """A name as texts have it: whole, and from its word facility, loan or tranche on where more follows."""
    folded = _folded(name)
    yield folded
    match = re.search(r"\b(?:facility|loan|tranche) \S+$", folded)
    if match is not None and match.group() != folded:
        yield match.group()


def _last(body: str, form: str) -> int:
    """Where a form stands last as whole words, -1 for nowhere."""
    end = len(body)
    while (place := body.rfind(form, 0, end)) >= 0:
        after = body[place + len(form) : place + len(form) + 1]
        if not (after.isalnum() or body[place - 1 : place].isalnum()):
            return place
        end = place + len(form) - 1
    return -1


def _folded(name: str) -> str:
    return " ".join(name.lower().split())
