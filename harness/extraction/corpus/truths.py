"""What is true of a company, with the passages it can be read from, once its documents are laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company
from harness.extraction.corpus import forms
from harness.extraction.corpus.draft import Claim, Draft
from harness.extraction.corpus.facts import Key
from harness.extraction.corpus.layout import Laid
from harness.extraction.corpus.presence import TOLD_BY, Present, tells
from harness.extraction.corpus.world import World
from harness.extraction.truth import TrueValue, Truth

AMBIGUOUS = "ambiguous"
"""The tag of values whose evidence stands in the text more than once, word for word."""

Sets = list[tuple[Passage, ...]]


def truth_of(company: Company, draft: Draft, laid: Laid, holding: Present, world: World) -> Truth:
    places = _Places(company, draft, laid)
    own: dict[Key, list[Claim]] = {}
    for claim in draft.claims:
        own.setdefault((claim.owner, claim.key), []).append(claim)
    sets = {key: list(_own_sets(key, own, places)) for key in holding.facts}
    values = {key: _value(key, holding, own, sets, draft, places) for key in holding.facts}
    values = {key: _tagged(company.text, value) for key, value in values.items()}
    facilities = tuple(
        Facility(loan.name, loan.type, forms.amount(loan.limit, loan.currency)[0]) for loan in world.loans
    )
    spans = {
        loan.name: tuple(
            sorted(
                places.line(claim.lines[0])
                for each in ("facility_name", "tranche_type", "credit_limit")
                for claim in own.get((loan.name, each), ())
            )
        )
        for loan in world.loans
    }
    references: dict[str, tuple[Passage, ...]] = {}
    for key, line in draft.references:
        references[key] = (*references.get(key, ()), places.line(line))
    baits: dict[Key, tuple[tuple[str, Passage, str], ...]] = {}
    for lure in draft.lures:
        unit = (lure.owner, lure.key)
        if unit not in holding.facts:
            baits[unit] = (*baits.get(unit, ()), (lure.kind, places.line(lure.line), lure.value))
    return Truth(company, facilities, values, spans, references, baits)


class _Places:
    """Where lines stand in the company's text."""

    def __init__(self, company: Company, draft: Draft, laid: Laid) -> None:
        starts = {each.name: start for each, start in zip(company.documents, company.starts, strict=True)}
        self._starts = {number: starts[name] + at for number, (name, at) in laid.at.items()}
        self._draft = draft
        self._text = company.text

    def line(self, number: int) -> Passage:
        start = self._starts[number]
        return Passage(start, start + len(self._draft.lines[number].text))

    def written(self, number: int) -> str:
        span = self.line(number)
        return self._text[span.start : span.end]

    def lines(self, numbers: tuple[int, ...]) -> tuple[Passage, ...]:
        return tuple(sorted(self.line(number) for number in numbers))

    def marks(self, claim: Claim) -> Iterator[Passage]:
        """Where its value is written; the whole line where the line says it."""
        for number in claim.lines:
            start = self._starts[number]
            if not claim.form:
                yield self.line(number)
            for first, end in self._draft.lines[number].marks if claim.form else ():
                yield Passage(start + first, start + end)


def _tagged(text: str, value: TrueValue) -> TrueValue:
    """Marked as ambiguous where the same words stand twice."""
    spans = dict.fromkeys(span for spans in value.spans for span in spans)
    if all(text.count(text[span.start : span.end]) == 1 for span in spans):
        return value
    return replace(value, tags=(*value.tags, AMBIGUOUS))


_COMPUTED: Mapping[str, tuple[str, str]] = {
    "hedged_share": ("hedge_notional", "credit_limit"),
    "repayment_schedule": ("repayment_schedule_text", "maturity_date"),
}


def _own_sets(key: Key, own: Mapping[Key, list[Claim]], places: _Places) -> Iterator[tuple[Passage, ...]]:
    for claims in _alternatives(key, own):
        yield places.lines(tuple(dict.fromkeys(line for claim in claims for line in claim.lines)))


def _alternatives(key: Key, own: Mapping[Key, list[Claim]]) -> Iterator[tuple[Claim, ...]]:
    """Claims that together give the value: its own, and pairs that it can be computed from."""
    owner, name = key
    limits = own.get((owner, "credit_limit"), [])
    for claim in own.get(key, ()):
        if "part" not in claim.tags:
            yield (claim,)
        else:
            yield from ((claim, limit) for limit in limits)
    if name in _COMPUTED:
        first, second = (own.get((owner, each), []) for each in _COMPUTED[name])
        if name != "repayment_schedule" or not own.get(key):
            yield from product(first, second)


def _value(
    key: Key,
    holding: Present,
    own: Mapping[Key, list[Claim]],
    sets: Mapping[Key, Sets],
    draft: Draft,
    places: _Places,
) -> TrueValue:
    owner, name = key
    alternatives = list(_alternatives(key, own))
    told = [
        each
        for other in TOLD_BY.get(name, ())
        if (owner, other) in holding.facts and tells(holding.facts[owner, other])
        for each in sets[owner, other]
    ]
    if holding.facts[key].value == "No":
        told = []
    spans = tuple(dict.fromkeys([*sets[key], *told]))
    claims = [claim for claim in own.get(key, ()) if "part" not in claim.tags]
    tags = claims[0].tags if claims else ("computed",) if alternatives else ("told",)
    marks = dict.fromkeys(mark for group in alternatives for claim in group for mark in places.marks(claim))
    shown = dict.fromkeys(claim.form or places.written(claim.lines[0]) for claim in claims)
    value = holding.facts[key].value
    lures = [
        (lure.kind, places.line(lure.line), lure.value)
        for lure in draft.lures
        if (lure.owner, lure.key) == key
    ]
    return TrueValue(
        value,
        spans,
        tuple(form for form in shown if form != value),
        tags,
        (draft.amended[key],) if key in draft.amended else (),
        tuple(lures),
        tuple(sorted(marks)),
    )
