"""What a leaf of the derived decision tree holds. Pure data, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from harness.detection.capture.compatibility import Incompatible
from harness.detection.report.tree import Band, Problem, Step, Technique
from harness.measure.outcome import Cell, Finding

State = Literal["helps", "depends", "no effect", "worse", "undecided", "refused", "does not fit"]
MODELLED = "modelled:"
"""What the reason of a cell begins with that the cost model finds too large for a row."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Hardware rows whose memory, GiB for each card, lies in (low, high]. `host`: this machine's own.

    `quantized` are those of its rows for which the guide sets weights of bitsandbytes.
    """

    low: float
    high: float
    rows: tuple[str, ...]
    host: bool = False
    quantized: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """`up to 16 GiB a card (t4, v100)`."""
        rows = f" ({', '.join(self.rows)})" if self.rows else ""
        if self.host:
            return f"host, no card{rows}"
        if math.isnan(self.high):
            return f"memory unknown{rows}"
        size = f"over {self.low:g} GiB" if math.isinf(self.high) else f"{self.low:g} to {self.high:g} GiB"
        return f"{size if self.low else f'up to {self.high:g} GiB'} a card{rows}"


ANY_BUDGET = Budget(0.0, math.inf, ())


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding that a leaf rests on, with the run it is of."""

    run: str
    cell: Cell
    finding: Finding
    state: State


@dataclass(frozen=True, slots=True)
class Option:
    """A technique, with a value of its choice, as far as one kind of quantity from one provenance tells."""

    technique: Technique
    setting: str
    provenance: str
    quantity: str
    evidence: tuple[Evidence, ...]

    @property
    def state(self) -> State:
        """That of all its evidence; it depends where some of it helps and some does not."""
        states = {each.state for each in self.evidence}
        if len(states) == 1:
            return next(iter(states))
        if "helps" in states:
            return "depends"
        order: tuple[State, ...] = ("does not fit", "refused", "worse", "undecided", "no effect")
        return next(state for state in order if state in states)

    @property
    def assured(self) -> float:
        """The smallest effect that its intervals leave, as a ratio below 1: what options are ranked by."""
        return max(worst_end(each.finding) for each in self.evidence)

    @property
    def title(self) -> str:
        """The technique with its setting."""
        return titled(self.technique, self.setting)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A technique, with a value of its choice, that gave no figure on a row, and why."""

    technique: Technique
    setting: str
    hardware: str
    reason: str

    @property
    def is_too_large(self) -> bool:
        """Whether the model says that it does not fit into the row's memory."""
        return self.reason.startswith(MODELLED)

    @property
    def text(self) -> str:
        """`dynamic batching (6) with plan=table: not run, t4: ...`."""
        return f"{titled(self.technique, self.setting)}: not run, {self.hardware}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is known for one problem, length and budget.

    `options` are ordered: what helps first, by what is assured. `excluded` cannot be had there at all,
    `apart` not together. `not_run` gives the reasons by technique; `guide` is what the guide says there.
    """

    problem: Problem
    band: Band
    budget: Budget
    options: tuple[Option, ...]
    excluded: tuple[tuple[Technique, Incompatible], ...]
    apart: tuple[Incompatible, ...]
    not_run: tuple[NotRun, ...]
    guide: tuple[Step, ...]

    @property
    def chosen(self) -> tuple[Option, ...]:
        """What helps most, for each provenance and quantity; measured first."""
        best: dict[tuple[str, str], Option] = {}
        for option in self.options:
            if option.state == "helps":
                best.setdefault((option.provenance, option.quantity), option)
        return tuple(best.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured or modelled there."""
        return not self.options


@dataclass(frozen=True, slots=True)
class Tree:
    """All leaves, in the order of problems, lengths and budgets; and the runs that they rest on."""

    leaves: tuple[Leaf, ...]
    runs: tuple[str, ...]
    ignored: tuple[str, ...] = field(default=())


def titled(technique: Technique, setting: str) -> str:
    """`dynamic batching (6) with plan=table`."""
    return f"{technique.text} with {setting}" if setting else technique.text


def worst_end(finding: Finding) -> float:
    """The end of the interval that promises least, turned so that smaller is better."""
    effect = finding.effect
    if effect is None:
        # counted down to nothing: there is no ratio, and no better one
        return 0.0 if finding.optimized == 0 and finding.better == "lower" else math.inf
    if finding.better == "lower":
        return effect.high
    return 1.0 / effect.low if effect.low > 0 else math.inf


def found_for(leaf: Leaf, step: Step) -> tuple[Option, ...]:
    """What a leaf knows of what the guide recommends there."""
    names = set(step.names)
    return tuple(option for option in leaf.options if names & set(option.technique.names))
