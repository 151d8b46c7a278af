"""What looks have said of a unit, weighed: which value holds, how surely, and what speaks against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.extraction.asks import Confidence, Passage, Stage
from harness.extraction.pipeline.calibration import Calibration
from harness.extraction.pipeline.precedence import ORDINARY, Rank
from harness.extraction.result import Candidate, Value
from harness.extraction.schema.fields import Field
from harness.extraction.values import same

_SAID: Final[Mapping[Confidence, float]] = {"HIGH": 1.5, "MEDIUM": 0.5, "LOW": -0.5}
_UNGROUNDED = -2.5
_AGREES = 0.8
_AGREES_ELSEWHERE = 1.2
_OVERLOOKED = -0.5
_NOTHING_ELSE = 0.0
"""Log-odds: of a first sighting, of one without evidence in the text, of a further look that says the same
from the same and from another passage, of a look at the evidence that did not say it. All against the odds
that none of the values is right. Assumed; the calibration maps what they add up to onto what is right."""
_CONFLICT_BELOW = 0.6
"""A raw score under it, with another value seen, is a conflict."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A value that look number `look` found; `rank` is that of the document of its evidence."""

    value: str
    confidence: Confidence
    evidence: Passage | None
    quote: str
    look: int
    stage: Stage = "window"
    rank: Rank = ORDINARY


@dataclass(frozen=True, slots=True)
class Shown:
    """A look that asked for a unit: what it showed."""

    look: int
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class _Claim:
    """Sightings of one value, and their log-odds."""

    sightings: tuple[Sighting, ...]
    odds: float

    @property
    def rank(self) -> Rank:
        return max((each.rank for each in self.sightings if each.evidence is not None), default=ORDINARY)

    @property
    def best(self) -> Sighting:
        """The best grounded, of equals the latest document's, then the earliest look's."""
        return max(
            self.sightings,
            key=lambda each: (each.evidence is not None, each.rank, _SAID[each.confidence], -each.look),
        )


def weigh(
    field: Field, sightings: Sequence[Sighting], shown: Sequence[Shown], calibration: Calibration
) -> Value | None:
    """The value that holds, None without a sighting.

    Evidence in a later amendment overrules values that only earlier documents give. Of what is left the one
    with most evidence holds: FOUND, or CONFLICT where another comes near. The others stand in `others`. A
    value without evidence in the text has `evidence` None and little confidence, and never overrules one
    that has it.
    """
    if not sightings:
        return None
    claims = [_claim(group, shown) for group in _alike(field, sightings)]
    latest = max(claim.rank for claim in claims)
    live = [claim for claim in claims if claim.rank == latest]
    overruled = [claim for claim in claims if claim.rank != latest]
    scored = _scored(live) + [(0.0, claim) for claim in overruled]
    raw, winner = scored[0]
    others = [candidate(claim.best, calibration.probability(score)) for score, claim in scored[1:]]
    is_conflict = len(live) > 1 and raw < _CONFLICT_BELOW
    best = winner.best
    return Value(
        field.key,
        "CONFLICT" if is_conflict else "FOUND",
        best.value,
        calibration.probability(raw),
        best.evidence,
        best.quote,
        tuple(others),
    )


def candidate(sighting: Sighting, confidence: float) -> Candidate:
    """A value that was seen but does not hold."""
    return Candidate(sighting.value, confidence, sighting.evidence, sighting.quote, sighting.stage)


def _alike(field: Field, sightings: Sequence[Sighting]) -> list[list[Sighting]]:
    """Groups that say the same, in the order in which they were first said."""
    groups: list[list[Sighting]] = []
    for sighting in sightings:
        for group in groups:
            if same(field, group[0].value, sighting.value):
                group.append(sighting)
                break
        else:
            groups.append([sighting])
    return groups


def _claim(sightings: Sequence[Sighting], shown: Sequence[Shown]) -> _Claim:
    odds = 0.0
    places: list[Passage] = []
    for number, sighting in enumerate(sorted(sightings, key=lambda s: (-_strength(s), s.look))):
        strength = _strength(sighting)
        if number == 0:
            odds += strength
        elif sighting.evidence is None:
            odds += 0.0
        elif any(_overlap(sighting.evidence, place) for place in places):
            odds += _AGREES
        else:
            odds += _AGREES_ELSEWHERE
        if sighting.evidence is not None:
            places.append(sighting.evidence)
    saying = {sighting.look for sighting in sightings}
    odds += _OVERLOOKED * sum(
        any(_within(place, passage) for place in places for passage in look.passages)
        for look in shown
        if look.look not in saying
    )
    return _Claim(tuple(sightings), odds)


def _strength(sighting: Sighting) -> float:
    return _SAID[sighting.confidence] + (_UNGROUNDED if sighting.evidence is None else 0.0)


def _scored(claims: Sequence[_Claim]) -> list[tuple[float, _Claim]]:
    """Claims with the probability of each against the others and none of them, best first, those without
    evidence last."""
    top = max([_NOTHING_ELSE, *(claim.odds for claim in claims)])
    total = math.exp(_NOTHING_ELSE - top) + sum(math.exp(claim.odds - top) for claim in claims)
    scored = [(math.exp(claim.odds - top) / total, claim) for claim in claims]
    return sorted(scored, key=lambda pair: (pair[1].best.evidence is None, -pair[0], pair[1].best.look))


def _overlap(one: Passage, two: Passage) -> bool:
    return one.start < two.end and two.start < one.end


def _within(inner: Passage, outer: Passage) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
