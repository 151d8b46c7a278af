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
_AGREES = 1.2
_INVENTS = 0.1
_OVERLOOKS = 0.7
_NOTHING_ELSE = 0.0
"""Log-odds: of a first sighting, of one without evidence in the text, of a further look that reads the same
from the same place. A look at the evidence that did not say it has the share _OVERLOOKS of
its likelihood ratio, for errors of one reader are alike: it overlooks what is true with 1 - its chance to see
it, and does not invent what is not with 1 - _INVENTS. All against the odds that no value is right. Assumed;
the calibration maps what they add up to onto what is right."""
_CONFLICT_BELOW = 0.6
"""A raw score under it, with another value seen, is a conflict."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A value that look number `look` found; `rank` is that of the document of its evidence, `needs` are
    passages that the evidence refers to and that the look showed too."""

    value: str
    confidence: Confidence
    evidence: Passage | None
    quote: str
    look: int
    stage: Stage = "window"
    rank: Rank = ORDINARY
    needs: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A look that asked for a unit: what it showed, and the chance to find what stands there.

    `elsewhere`: the reader expected the value in another place.
    """

    look: int
    passages: tuple[Passage, ...]
    chance: float
    elsewhere: bool = False


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
    field: Field,
    sightings: Sequence[Sighting],
    shown: Sequence[Shown],
    calibration: Calibration,
    least: float = 0.0,
) -> Value | None:
    """The value that holds, None without a sighting.

    Evidence in a later amendment, if it is more likely than not, overrules values that only earlier documents
    give. Of what is left the one
    with most evidence holds: FOUND, or CONFLICT where another comes near. The others stand in `others`. A
    value without evidence in the text has `evidence` None and little confidence, and never overrules one
    that has it. Where the raw score of the best is under `least` none holds: POSSIBLY_PRESENT, all in
    `others`.
    """
    if not sightings:
        return None
    claims = [_claim(group, shown) for group in _alike(field, sightings)]
    # what would not be believed by itself overrules nothing
    latest = max((claim.rank for claim in claims if claim.odds > _NOTHING_ELSE), default=ORDINARY)
    live = [claim for claim in claims if claim.rank >= latest]
    overruled = [claim for claim in claims if claim.rank < latest]
    scored = _scored(live) + [(0.0, claim) for claim in overruled]
    raw, winner = scored[0]
    others = [candidate(claim.best, calibration.probability(score)) for score, claim in scored[1:]]
    if raw < least:
        doubted = candidate(winner.best, calibration.probability(raw))
        return Value(field.key, "POSSIBLY_PRESENT", others=(doubted, *others))
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
    """Each place that says it counts by itself, for what was read from one may be another's value; of several
    those that hold."""
    odds = [_place_odds(place, group, shown) for place, group in _places(sightings)]
    strong = [each for each in odds if each > 0.0]
    return _Claim(tuple(sightings), sum(strong) if strong else max(odds))


def _places(sightings: Sequence[Sighting]) -> list[tuple[Passage | None, list[Sighting]]]:
    """Sightings by where they saw it, those without evidence together."""
    places: list[tuple[Passage | None, list[Sighting]]] = []
    for sighting in sorted(
        sightings, key=lambda s: (s.evidence is None, s.evidence or Passage(0, 0), s.look)
    ):
        last = places[-1] if places else None
        span = sighting.evidence
        if last is not None and (last[0] is span or (last[0] and span and _overlap(last[0], span))):
            last[1].append(sighting)
        else:
            places.append((span, [sighting]))
    return places


def _place_odds(place: Passage | None, sightings: Sequence[Sighting], shown: Sequence[Shown]) -> float:
    odds = max(_SAID[sighting.confidence] for sighting in sightings)
    if place is None:
        # saying it again makes no evidence of it
        return odds + _UNGROUNDED
    odds += _AGREES * (len({sighting.look for sighting in sightings}) - 1)
    saying = {sighting.look for sighting in sightings}
    needs = min((sighting.needs for sighting in sightings), key=len)
    for look in shown:
        # who expects it elsewhere has not overlooked it here
        if look.look not in saying and not look.elsewhere and _shows(look, (place, *needs)):
            odds += _OVERLOOKS * min(0.0, math.log((1.0 - min(look.chance, 0.99)) / (1.0 - _INVENTS)))
    return odds


def _shows(look: Shown, places: Sequence[Passage]) -> bool:
    return all(
        any(each.start <= place.start and place.end <= each.end for each in look.passages) for place in places
    )


def _overlap(one: Passage, two: Passage) -> bool:
    return one.start < two.end and two.start < one.end


def _scored(claims: Sequence[_Claim]) -> list[tuple[float, _Claim]]:
    """Claims with the probability of each against the others and none of them, best first, those without
    evidence last."""
    top = max([_NOTHING_ELSE, *(claim.odds for claim in claims)])
    total = math.exp(_NOTHING_ELSE - top) + sum(math.exp(claim.odds - top) for claim in claims)
    scored = [(math.exp(claim.odds - top) / total, claim) for claim in claims]
    return sorted(scored, key=lambda pair: (pair[1].best.evidence is None, -pair[0], pair[1].best.look))
