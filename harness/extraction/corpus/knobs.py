"""What makes a company hard to read, and the values that are used where nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from harness.errors import HarnessError

Family = Literal["tuning", "report", "gate"]
FAMILIES: tuple[Family, ...] = get_args(Family)
MOST_FACILITIES = 5
LEAST_TOKENS = 2_000

_PLACES = ("front", "schedule", "amendment", "elsewhere")
_MANNERS = ("synonym", "oblique", "definition", "table", "foreign", "split")


@dataclass(frozen=True, slots=True)
class Knobs:
    """How a company is written. Shares are of the values that are present, but for `absent` and `ocr`.

    `tokens`: length of all documents, of four characters each; more where the statements alone take more.
    `facilities`: 1 to 5, None draws it. `absent`: share of all fields without a value.
    Place: `front` of the agreement, `schedule`, `amendment` (only numbers and dates are amended),
    `elsewhere` (certificates, messages, the term sheet); the rest stands in its home clause.
    Wording: `synonym`, `oblique` (no usual term), `definition` (by reference to one), `table`, `foreign` (not
    in English, and as many sentences of the filler), `split` (in two parts that no window of 2,000 tokens
    with an overlap of 400 holds together, as far as there is room for it); the rest in usual terms.
    `repeated`: stated a second time. `distractors`: mean number beside each present value, and beside a third
    of the absent ones. `ocr`: share of lower-case letters misread; values and names are spared, so that a
    company stays solvable. Raises HarnessError for values that cannot be.
    """

    tokens: int = 100_000
    facilities: int | None = None
    absent: float = 0.4
    front: float = 0.1
    schedule: float = 0.2
    amendment: float = 0.06
    elsewhere: float = 0.12
    synonym: float = 0.3
    oblique: float = 0.15
    definition: float = 0.06
    table: float = 0.12
    foreign: float = 0.05
    split: float = 0.03
    repeated: float = 0.15
    distractors: float = 1.0
    ocr: float = 0.0

    def __post_init__(self) -> None:
        if self.tokens < LEAST_TOKENS:
            raise HarnessError(f"companies of {self.tokens} tokens", allowed=f"{LEAST_TOKENS:,} and more")
        if self.facilities is not None and not 1 <= self.facilities <= MOST_FACILITIES:
            raise HarnessError(f"{self.facilities} facilities", allowed=f"1 to {MOST_FACILITIES}")
        if not 0.0 <= self.distractors <= 10.0:
            raise HarnessError(f"{self.distractors} distractors for each value", allowed="0 to 10")
        for name in ("absent", *_PLACES, *_MANNERS, "repeated", "ocr"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise HarnessError(f"{name} is {getattr(self, name)}", allowed="a share, 0 to 1")
        for names in (_PLACES, _MANNERS):
            if sum(getattr(self, name) for name in names) > 1.0 + 1e-9:
                raise HarnessError(f"the shares {', '.join(names)} sum to more than 1")

    def line(self) -> str:
        """All knobs with their values, for reports."""
        shown = ((each.name, getattr(self, each.name)) for each in fields(self))
        return ", ".join(f"{name} {'drawn' if value is None else value}" for name, value in shown)


def refuse_unknown(family: str) -> None:
    """Raise HarnessError for a family that is none."""
    if family not in FAMILIES:
        raise HarnessError(f"there is no family {family!r}", allowed=", ".join(FAMILIES))
