"""What someone who knows the truth says to an ask: what its passages show, perfectly or with noise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.extraction.asks import Ask, Facility, Found, Passage
from harness.extraction.reading.noise import Noise, Situation
from harness.extraction.reading.shown import runs
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL, Truth

_CHARACTERS = 4
_LONGEST_QUOTE = 300
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Said:
    """The contents of one answer."""

    found: tuple[Found, ...] = ()
    elsewhere: tuple[str, ...] = ()
    facilities: tuple[Facility, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sight:
    """A value that is shown, at its first passage; `owner` is whose it truly is."""

    value: str
    owner: str
    span: Passage


def said(truth: Truth, ask: Ask, noise: Noise | None = None, prompt_hash: str = "") -> Said:
    """The answer to one request.

    Perfect without noise: a field is found exactly when all passages of one of its minimal sets are shown. A
    field of a facility that nobody named has the value of the facility whose value stands first in the text.
    POSSIBLY_PRESENT are fields without a value here of which a reference is shown.
    """
    shown = runs(ask.passages)
    if ask.stage == "detection":
        return Said(facilities=_facilities(truth, shown, ask, noise, prompt_hash))
    found, elsewhere = [], []
    for key in ask.fields:
        owners = _owners(truth, key, ask.facilities)
        answers = [
            answer
            for named, owner in owners
            if (answer := _answer(truth, ask, key, named, owner, shown, noise, prompt_hash)) is not None
        ]
        found += answers
        if not answers and any(_is_shown(span, shown) for span in truth.references.get(key, ())):
            elsewhere.append(key)
    return Said(tuple(found), tuple(elsewhere))


def _facilities(
    truth: Truth, shown: Sequence[Passage], ask: Ask, noise: Noise | None, prompt_hash: str
) -> tuple[Facility, ...]:
    """Those whose existence the passages show, but for those that noise misses."""
    named = []
    for facility in truth.facilities:
        spans = [span for span in truth.facility_spans.get(facility.name, ()) if _is_shown(span, shown)]
        if spans and (
            noise is None
            or noise.outcome(_situation(ask, spans[0], 0), "facility", facility.name, prompt_hash) != "missed"
        ):
            named.append(facility)
    return tuple(named)


def _owners(truth: Truth, key: str, facilities: Sequence[Facility]) -> list[tuple[str, str]]:
    """(the facility as the ask names it, whose value that is): the deal's where the truth has the field of
    the deal, else one for each facility named, or one of nobody."""
    is_of_facilities = any((each.name, key) in truth.values for each in truth.facilities)
    if (DEAL, key) in truth.values or (FIELDS[key].scope == "deal" and not is_of_facilities):
        return [("", DEAL)]
    if not facilities:
        return [("", "*")]
    return [(facility.name, _true_name(truth, facility)) for facility in facilities]


def _true_name(truth: Truth, facility: Facility) -> str:
    """The truth's name of a facility that a reader may have named otherwise; empty for none of them."""
    names = [each.name for each in truth.facilities]
    if facility.name in names:
        return facility.name
    words = _words(facility.name)
    alike = [name for name in names if _words(name) == words]
    within = [name for name in names if words and (words <= _words(name) or _words(name) <= words)]
    return next(iter(alike or (within if len(within) == 1 else [])), "\x00")


def _answer(
    truth: Truth,
    ask: Ask,
    key: str,
    named: str,
    owner: str,
    shown: Sequence[Passage],
    noise: Noise | None,
    prompt_hash: str,
) -> Found | None:
    right = _first([s for name in _names(truth, owner) for s in _sights(truth, name, key, shown)])
    if noise is None:
        return None if right is None else _found(ask, key, named, right.value, right.span)
    wrong = list(_wrong(truth, key, right.owner if right else owner, right, shown))
    distractors = len(wrong)
    if right is None and not wrong:
        return None
    if right is not None and not wrong:
        wrong = list(_alike(truth, key, right, shown))
    place = right.span if right is not None else wrong[0][0]
    situation = _situation(ask, place, distractors)
    keys = (key, named, prompt_hash)
    outcome = noise.outcome(situation, *keys)
    if outcome == "wrong" and wrong:
        span, value = wrong[noise.choose(len(wrong), *keys)]
        return _found(ask, key, named, value, span)
    if outcome == "missed" or right is None:
        return None
    return _found(ask, key, named, right.value, right.span)


def _names(truth: Truth, owner: str) -> list[str]:
    return [each.name for each in truth.facilities] if owner == "*" else [owner]


def _sights(truth: Truth, owner: str, key: str, shown: Sequence[Passage]) -> Iterator[_Sight]:
    """The value, once for each minimal set that is wholly shown."""
    true = truth.values.get((owner, key))
    if true is not None:
        for spans in true.spans:
            if spans and all(_is_shown(span, shown) for span in spans):
                yield _Sight(true.value, owner, min(spans))


def _first(sights: Sequence[_Sight]) -> _Sight | None:
    return min(sights, key=lambda sight: sight.span, default=None)


def _wrong(
    truth: Truth, key: str, owner: str, right: _Sight | None, shown: Sequence[Passage]
) -> Iterator[tuple[Passage, str]]:
    """What could be taken for the value, where shown: its distractors, an absent one's baits, and other
    facilities' values."""
    owners = [owner] if owner in ("", DEAL) else [each.name for each in truth.facilities]
    seen: set[tuple[Passage, str]] = set()
    for name in owners:
        sister = [(sight.span, sight.value) for sight in _sights(truth, name, key, shown) if name != owner]
        true = truth.values.get((name, key))
        alike = truth.baits.get((name, key), ()) if true is None else true.distractors
        baits = [(span, value) for _, span, value in alike if _is_shown(span, shown)]
        for span, value in [*sister, *baits]:
            is_other = right is None or value != right.value
            if value and is_other and (span, value) not in seen:
                seen.add((span, value))
                yield span, value


def _alike(truth: Truth, key: str, right: _Sight, shown: Sequence[Passage]) -> Iterator[tuple[Passage, str]]:
    """Shown values of other fields of the same kind: what is taken where nothing looks like the field."""
    kind = FIELDS[key].kind
    for owner, other in truth.values:
        if other != key and FIELDS[other].kind == kind:
            for sight in _sights(truth, owner, other, shown):
                if sight.value != right.value:
                    yield sight.span, sight.value


def _situation(ask: Ask, place: Passage, distractors: int) -> Situation:
    """Position and length are those of the characters shown, in the ask's order."""
    before, total, at = 0, 0, 0
    for passage in ask.passages:
        if passage.start <= place.start < passage.end:
            at = before + place.start - passage.start
        before += passage.end - passage.start
        total = before
    return Situation(asked_for(ask), total / _CHARACTERS, at / max(1, total), distractors)


def asked_for(ask: Ask) -> int:
    """How many values an ask wants: one of each field of the deal, others for each facility named."""
    of_deal = sum(FIELDS[key].scope == "deal" for key in ask.fields)
    return max(1, of_deal + (len(ask.fields) - of_deal) * max(1, len(ask.facilities)))


def _found(ask: Ask, key: str, named: str, value: str, span: Passage) -> Found:
    quote = ask.company.text[span.start : min(span.end, span.start + _LONGEST_QUOTE)].strip()
    return Found(key, value, named, quote, span)


def _is_shown(span: Passage, shown: Sequence[Passage]) -> bool:
    return any(each.start <= span.start and span.end <= each.end for each in shown)


def _words(name: str) -> frozenset[str]:
    return frozenset(_WORD.findall(name.lower())) - {"the", "facility", "loan"}
