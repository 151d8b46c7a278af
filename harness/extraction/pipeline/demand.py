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
        self._mass = np.array([mass[unit.field] for unit in self.units], dtype=float)
        self._prior = self._mass.copy()
        self._absent = 1.0 - self._mass.sum(axis=1)
        self._weight = np.ones(len(self.units))
        self._scale = np.ones(len(self.units))

    def rows(self, units: Sequence[Unit]) -> NDArray[np.intp]:
        """Their rows."""
        return np.array([self._rows[unit] for unit in units], dtype=np.intp)

    def wanted(self) -> Floats:
        """Values expected per field on each piece, shape [fields, pieces]: what a perfect look would find."""
        worth = self._mass * (self._weight * self._scale)[:, None]
        return np.array([worth[rows].sum(axis=0) for rows in self._field_rows])

    def slots(self) -> Floats:
        """How many values a look for each field asks for, shape [fields]: its units that still pull."""
        pulls = self._weight > 0.0
        return np.array([max(1.0, float(pulls[rows].sum())) for rows in self._field_rows])

    def missing(self, units: Sequence[Unit]) -> list[Unit]:
        """Those of them that still pull."""
        return [unit for unit in units if self._weight[self._rows[unit]] > 0.0]

    def look(self, units: Sequence[Unit], pieces: Sequence[int], chance: float) -> None:
        """Take off what a look at these pieces would find with this chance."""
        if units:
            self._mass[np.ix_(self.rows(units), np.array(pieces, dtype=np.intp))] *= 1.0 - chance

    def undo(self, units: Sequence[Unit], pieces: Sequence[int], chance: float) -> None:
        """Put back what `look` took off: nobody looked after all."""
        if units and chance < 1.0:
            self._mass[np.ix_(self.rows(units), np.array(pieces, dtype=np.intp))] /= 1.0 - chance

    def settle(self) -> None:
        """Count the looks as answered: what is left becomes more, or less, likely than before."""
        left = self._mass.sum(axis=1)
        total = self._absent + left
        self._scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0.0)

    def found(self, unit: Unit, weight: float) -> None:
        """A value is there: from now on it pulls with this weight."""
        self._weight[self._rows[unit]] = weight

    def only(self, unit: Unit, pieces: Sequence[int], probability: float) -> None:
        """Another value is expected, and only in these pieces: with this probability had nobody looked there,
        and in proportion to the prior."""
        row, kept = self._rows[unit], list(pieces)
        before = self._prior[row, kept].sum()
        mass = np.zeros(self._mass.shape[1])
        if before > 0.0:
            mass[kept] = self._mass[row, kept] * (probability / before)
        self._mass[row] = mass
        self._absent[row] = 1.0 - probability
        self._weight[row] = 1.0
        self.settle()

    def sure(self, unit: Unit, present: float) -> None:
        """Something says that the value is there with at least this probability, without giving it."""
        row = self._rows[unit]
        left = float(self._mass[row].sum())
        if left > 0.0 and present < 1.0:
            self._absent[row] = min(self._absent[row], left * (1.0 - present) / present)
            self.settle()
