"""Where the values that are still missing may stand: one search over the pieces of a text for each unit.

A unit is a field of a facility, or of the deal. For each a probability lies on every piece: that the value
stands there and no look has found it. A look that found nothing in a piece where it would have with chance q
leaves (1 - q) of it. This is the search for a lost object (Koopman 1956, Operations Research 4: 324-346);
the expected number of values found is submodular in the looks, so taking the best one first is within
1 - 1/e of the best plan, also when later looks are chosen after the answers to earlier ones (Golovin and
Krause 2011, Journal of Artificial Intelligence Research 42: 427-486).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.extraction.pipeline.settings import Floats, Prior

_NOTHING = 1e-9
_LITTLE = 0.05
"""Units that pull less than this are asked for only where others of their field are."""


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """What is searched for: a field, of the facility of this name or (DEAL) of the whole deal."""

    facility: str
    field: str


def prior_mass(scores: Floats, tokens: Floats, prior: Prior) -> Floats:
    """The probability on each piece, shape [pieces], sum `prior.present`. `scores` are one field's; where
    none is above 0 all of it is spread evenly."""
    evenly = tokens / tokens.sum()
    # relative to the best, so that the power cannot overflow
    best = float(scores.max())
    if not best > 0.0:
        return np.asarray(prior.present * evenly)
    sharp = np.where(scores > 0.0, scores / best, 0.0) ** prior.sharpness
    mass: Floats = prior.present * (prior.anywhere * evenly + (1.0 - prior.anywhere) * sharp / sharp.sum())
    return mass


class Demand:
    """The searches of one company. `fields` are in the order in which ties are broken; rows of the arrays
    below follow `units`, columns the pieces."""

    def __init__(self, units: Sequence[Unit], fields: Sequence[str], mass: Mapping[str, Floats]) -> None:
        self.units = tuple(units)
        self.fields = tuple(fields)
        self._rows = {unit: row for row, unit in enumerate(self.units)}
        self._field_rows = [
            np.array([row for row, unit in enumerate(self.units) if unit.field == field], dtype=np.intp)
            for field in self.fields
        ]
        self._prior = np.array([mass[unit.field] for unit in self.units], dtype=float)
        self._mass = self._prior.copy()
        self._absent = 1.0 - self._mass.sum(axis=1)
        self._doubt = np.zeros_like(self._mass)
        self._weight = np.ones(len(self.units))
        self._scale = np.ones(len(self.units))

    def wanted(self) -> Floats:
        """Values expected per field on each piece, shape [fields, pieces]: what a perfect look would find."""
        worth = self._worth(slice(None))
        return np.array([worth[rows].sum(axis=0) for rows in self._field_rows])

    def slots(self) -> Floats:
        """How many values a look for each field asks for, shape [fields]: its units that pull noticeably."""
        pull = self._worth(slice(None)).sum(axis=1)
        counts = [float((pull[rows] > _LITTLE).sum()) for rows in self._field_rows]
        slots: Floats = np.maximum(1.0, np.array(counts))
        return slots

    def pull(self, units: Sequence[Unit], pieces: Sequence[int]) -> float:
        """Values of these units expected in these pieces."""
        if not units:
            return 0.0
        return float(np.sum(self._worth(self._at(units))[:, list(pieces)]))

    def look(self, units: Sequence[Unit], pieces: Sequence[int], chance: float) -> None:
        """Take off what a look at these pieces would find with this chance."""
        self._scaled(units, pieces, 1.0 - chance)

    def undo(self, units: Sequence[Unit], pieces: Sequence[int], chance: float) -> None:
        """Put back what `look` took off: nobody looked after all."""
        if chance < 1.0:
            self._scaled(units, pieces, 1.0 / (1.0 - chance))

    def settle(self) -> None:
        """Count the looks as answered: what is left becomes more, or less, likely than before."""
        left = self._mass.sum(axis=1)
        total = self._absent + left
        # where next to nothing is left of either, nothing is worth a look
        self._scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > _NOTHING)

    def found(self, unit: Unit, probability: float, confirm: Mapping[int, float]) -> None:
        """A value is known that is right with this probability: if not, another one is somewhere. `confirm`
        is what a look at a piece is worth beside that."""
        row = self._rows[unit]
        self._weight[row] = 1.0 - probability
        self._doubt[row] = 0.0
        for piece, worth in confirm.items():
            self._doubt[row, piece] = worth

    def expect(self, unit: Unit, worth: Mapping[int, float]) -> None:
        """Something speaks for these pieces: a look at them is worth at least so much."""
        row = self._rows[unit]
        for piece, value in worth.items():
            self._doubt[row, piece] = max(self._doubt[row, piece], value)

    def likeliest(self, unit: Unit, pieces: Sequence[int], count: int) -> list[int]:
        """Of these pieces those with most of the prior; of equal ones the earlier."""
        prior = self._prior[self._rows[unit]]
        return sorted(pieces, key=lambda piece: (-prior[piece], piece))[:count]

    def unseen(self, unit: Unit, pieces: Sequence[int]) -> Mapping[int, float]:
        """A probability of 1 on these pieces by the prior, less what looks have taken off."""
        row = self._rows[unit]
        before = float(self._prior[row, list(pieces)].sum())
        if not before > 0.0:
            return {}
        return {piece: float(self._mass[row, piece]) / before for piece in pieces}

    def _worth(self, rows: slice | NDArray[np.intp]) -> Floats:
        worth: Floats = self._mass[rows] * (self._weight * self._scale)[rows][:, None] + self._doubt[rows]
        return worth

    def _at(self, units: Sequence[Unit]) -> NDArray[np.intp]:
        return np.array([self._rows[unit] for unit in units], dtype=np.intp)

    def _scaled(self, units: Sequence[Unit], pieces: Sequence[int], factor: float) -> None:
        if units:
            place = np.ix_(self._at(units), np.array(pieces, dtype=np.intp))
            self._mass[place] *= factor
            self._doubt[place] *= factor
