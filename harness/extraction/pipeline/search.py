"""One company's search: the looks that are worth most, what they showed, and what is known after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.extraction.asks import Ask, Facility, Found, Passage, Reader, Reply
from harness.extraction.company import Company
from harness.extraction.pipeline.asking import price, text_room, window_ask
from harness.extraction.pipeline.budget import Budget
from harness.extraction.pipeline.calibration import IDENTITY
from harness.extraction.pipeline.choose import Choice, Look, Sizes
from harness.extraction.pipeline.demand import Demand, Unit
from harness.extraction.pipeline.evidence import Shown, Sighting, weigh
from harness.extraction.pipeline.links import Links
from harness.extraction.pipeline.pieces import Pieces
from harness.extraction.pipeline.precedence import ORDINARY, Rank
from harness.extraction.pipeline.precedence import rank as rank_of_document
from harness.extraction.pipeline.priors import askable, masses, takes_fields_alone, topics
from harness.extraction.pipeline.scope import unit_of, units
from harness.extraction.pipeline.settings import Floats, Seconds, Settings
from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import canonical

_ANSWERED = 8.0
"""Tokens of an answer for each value asked for: about 20 of one found, and not all are."""
_ELSEWHERE = 0.9
"""How surely a value is there of which a reader has read that it stands in another place."""
_REFERRING = 2
"""So many of the pieces shown are taken for the one that says it."""


@dataclass(frozen=True, slots=True)
class Open:
    """A look on its way, with the units that it asks for; a value that is shown is found with `chance`."""

    look: Look
    ask: Ask
    units: tuple[Unit, ...]
    chance: float
    number: int


@dataclass(slots=True)
class Known:
    """What looks have said of one unit."""

    sightings: list[Sighting]
    shown: list[Shown]
    asked: int = 0
    unreadable: int = 0
    absent: int = 0
    elsewhere: int = 0


class Search:
    """The state of the search for all units of a company."""

    def __init__(
        self,
        company: Company,
        pieces: Pieces,
        facilities: Sequence[Facility],
        reader: Reader,
        settings: Settings,
        budget: Budget,
        seconds: Seconds | None,
    ) -> None:
        self._company = company
        self._pieces = pieces
        self._facilities = tuple(facilities)
        self._reader = reader
        self._settings = settings
        self._budget = budget
        self._seconds = seconds
        self._fields = tuple(askable(company, pieces, reader, self._facilities))
        self.known = {unit: Known([], []) for unit in units(self._fields, self._facilities)}
        self._demand = Demand(tuple(self.known), self._fields, masses(pieces, self._fields, settings))
        size = settings.bundle_fields
        if self._fields and takes_fields_alone(company, pieces, reader, self._fields, self._facilities):
            size = 1
        self._choice = Choice(
            pieces,
            Sizes(
                text_room(reader, settings.bundle_fields, settings.window_tokens),
                size,
                settings.overlap_tokens,
                settings.least_share,
            ),
            settings.hits,
            topics(self._fields),
        )
        self._scan = None if settings.adaptive else iter(self._choice.scan(topics(self._fields)))
        self._asked: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
        self._ranks = {each.name: rank_of_document(each) for each in company.documents}
        self._piece_ranks = [self._ranks[company.documents[number].name] for number in pieces.documents]
        self._links = Links([company.text[span.start : span.end] for span in pieces.spans])
        self._followed: set[tuple[Unit, int]] = set()
        self._looks = 0
        self._ended = False
        self._of_nobody = 0

    def wave(self) -> list[Open]:
        """The next looks, each the best beside those before it: all that are worth a call and can be paid
        for, `wave_calls` at most; in the order of the text, so that one window's asks follow each other."""
        opened: list[Open] = []
        while self._fields and len(opened) < self._settings.wave_calls:
            look = self._next()
            if look is None or not self._open(look, opened):
                break
        return sorted(opened, key=lambda each: (each.ask.passages, each.look.fields))

    def _next(self) -> Look | None:
        if self._scan is not None:
            return next(self._scan, None)
        demand = self._demand
        return self._choice.best(demand.wanted(), demand.slots(), refused=self._was_asked, cost=self._cost)

    def _open(self, look: Look, opened: list[Open]) -> bool:
        """Take up a look; False when it is not worth its calls or cannot be paid for."""
        fields = tuple(self._fields[number] for number in look.fields)
        facilities = self._named(look, fields)
        passages = self._pieces.passages(look.pieces)
        ask = window_ask(self._company, fields, passages, facilities, self._reader)
        cost = price(ask, look.tokens, self._reader, self._seconds)
        if self._scan is None and look.expected < self._settings.least_gain * cost.calls:
            return False
        if not self._budget.takes(cost):
            self._ended = True
            return False
        asked = tuple(units(fields, facilities))
        chance = self._chance(len(asked), look.tokens)
        self._demand.look(asked, look.pieces, chance)
        self._asked.add((look.fields, look.pieces))
        opened.append(Open(look, ask, asked, chance, self._looks))
        self._looks += 1
        return True

    def _named(self, look: Look, fields: Sequence[str]) -> tuple[Facility, ...]:
        """The facilities that it pays to name, all of them when only fields of the deal are asked for.

        Each one more makes the prompt longer for the others.
        """
        own = [field for field in fields if FIELDS[field].scope == "facility"]
        if not own:
            return self._facilities
        pulls = [
            self._demand.pull([Unit(each.name, field) for field in own], look.pieces)
            for each in self._facilities
        ]
        ranked = sorted(range(len(pulls)), key=lambda number: (-pulls[number], number))
        shared = len(fields) - len(own)
        worth = [
            sum(pulls[number] for number in ranked[: count + 1])
            * self._chance(shared + len(own) * (count + 1), look.tokens)
            for count in range(len(ranked))
        ]
        kept = sorted(ranked[: 1 + worth.index(max(worth))])
        return tuple(self._facilities[number] for number in kept)

    def _chance(self, values: int, tokens: int) -> float:
        return float(self._settings.hits.chance(np.array(values), np.array(tokens)))

    def _was_asked(self, look: Look) -> bool:
        return (look.fields, look.pieces) in self._asked

    def _cost(self, values: Floats, tokens: Floats) -> Floats:
        """What looks cost in what the budget counts."""
        if self._settings.budget_minutes is None or self._seconds is None:
            return np.ones(np.broadcast_shapes(values.shape, tokens.shape))
        prompt, answer = np.broadcast_arrays(tokens, _ANSWERED * values)
        seconds: Floats = np.vectorize(self._seconds, otypes=[float])(prompt, answer)
        return seconds

    def absorb(self, opened: Sequence[Open], replies: Sequence[Reply]) -> None:
        """Take in a wave's answers."""
        self._budget.pay(replies, self._seconds)
        for each, reply in sorted(zip(opened, replies, strict=True), key=lambda pair: pair[0].number):
            self._take(each, reply)
        for unit in dict.fromkeys(unit for each in opened for unit in each.units):
            self._weigh(unit)
        self._demand.settle()

    def _take(self, each: Open, reply: Reply) -> None:
        unread = set(each.ask.fields if reply.unreadable else reply.unread)
        overlooked = [unit for unit in each.units if unit.field in unread]
        self._demand.undo(overlooked, each.look.pieces, each.chance)
        for unit in each.units:
            known = self.known[unit]
            if unit.field in unread:
                known.unreadable += 1
                continue
            known.asked += 1
            is_elsewhere = unit.field in reply.elsewhere
            known.shown.append(Shown(each.number, each.ask.passages, each.chance, is_elsewhere))
            known.absent += unit.field in reply.absent
            known.elsewhere += is_elsewhere
        for found in reply.found:
            self._sight(each, found)
        for unit in each.units:
            if unit.field in reply.elsewhere:
                self._follow(unit, each.look.pieces)

    def _sight(self, each: Open, found: Found) -> None:
        """Keep a value of a reply, unless it is none of its field, or nobody's who was asked for."""
        if found.field not in FIELDS or canonical(FIELDS[found.field], found.value) is None:
            return
        unit = unit_of(found, each.ask.facilities)
        if unit is None or unit not in each.units:
            self._of_nobody += 1
            return
        span = found.evidence
        rank = self._rank_of(span)
        needs = () if span is None else self._referred(span, each.look.pieces)
        self.known[unit].sightings.append(
            Sighting(
                found.value, found.confidence, span, found.quote, each.number, each.ask.stage, rank, needs
            )
        )

    def _referred(self, span: Passage, shown: Sequence[int]) -> tuple[Passage, ...]:
        """What was shown beside the evidence and shares a rare expression with it: perhaps half of it."""
        own = set(self._pieces.touched([span]))
        others = self._links.of_text(self._company.text[span.start : span.end], few=2)
        return tuple(self._pieces.spans[each] for each in others if each in shown and each not in own)

    def _follow(self, unit: Unit, shown: Sequence[int]) -> None:
        """A reader has read that a value stands elsewhere: show what probably says so together with what it
        refers to."""
        for piece in self._demand.likeliest(unit, shown, _REFERRING):
            if (unit, piece) not in self._followed:
                self._followed.add((unit, piece))
                both = (piece, *self._links.of_piece(piece))
                self._demand.expect(unit, dict.fromkeys(both, _ELSEWHERE / len(both) / _REFERRING))

    def _weigh(self, unit: Unit) -> None:
        """A unit with a value pulls less: as far as that may be wrong, where it is to be confirmed, and in
        later amendments."""
        known = self.known[unit]
        value = weigh(FIELDS[unit.field], known.sightings, known.shown, IDENTITY)
        if value is None:
            return
        raw = value.confidence
        worth: dict[int, float] = {}
        pieces = self._pieces.touched([value.evidence] if value.evidence is not None else [])
        for piece in pieces:
            worth[piece] = self._settings.confirm * min(raw, 1.0 - raw) / len(pieces)
        latest = self._rank_of(value.evidence)
        later = [number for number, other in enumerate(self._piece_ranks) if other > latest]
        for piece, share in self._demand.unseen(unit, later).items():
            worth[piece] = worth.get(piece, 0.0) + self._settings.superseded * share
        self._demand.found(unit, raw, worth)

    def notes(self) -> tuple[str, ...]:
        """What was cut or refused."""
        notes = []
        if self._ended:
            notes.append("the budget ended the search; more calls were expected to bring more values")
        if self._of_nobody:
            notes.append(f"{self._of_nobody} values told no facility or field that was asked for")
        return tuple(notes)

    def _rank_of(self, evidence: Passage | None) -> Rank:
        place = None if evidence is None else self._company.place(evidence.start, evidence.end)
        return ORDINARY if place is None else self._ranks[place.file]
