"""The nearest change of each single limit that gives a plan where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations

import numpy as np

from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.front import Front
from harness.placement.exact.limits import Limits, latency_row, parts, prefill_s
from harness.placement.stages import StageTable

# Longer than any latency that is known: leaves out the stages whose latency is not.
_ANY_KNOWN_S = 1e12


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A change that by itself gives a plan: `constraint` from `now` to `enough`, in its own unit.

    Both are None where the constraint, or several named together, can only be dropped.
    """

    constraint: str
    now: float | None
    enough: float | None
    line: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`cause` names what leaves no plan, in a sentence; any one of `relaxations` is enough.

    `of_limits`: they are limits of the question, and of a problem that has a plan without them.
    """

    cause: str
    relaxations: tuple[Relaxation, ...]
    of_limits: bool = False


def nearest_relaxation(table: StageTable, limits: Limits) -> Diagnosis:
    """Which of the limits leave no plan, for a table that has one without them."""
    free = Limits()
    active = [f.name for f in fields(Limits) if getattr(limits, f.name) != getattr(free, f.name)]

    def without(names: Iterable[str]) -> Limits:
        return replace(limits, **{name: getattr(free, name) for name in names})

    enough = smallest_sets(active, lambda names: feasible(table, without(names)))
    found = [
        _limit_relaxation(names[0], table, limits, without(names)) if len(names) == 1 else together(names)
        for names in enough
    ]
    culprits = [name for name in active if any(name in names for names in enough)]
    return Diagnosis(f"no plan keeps to the limits on {', '.join(culprits)}", tuple(found), of_limits=True)


def beyond_front(
    front: Front, tokens_per_s: float = 0.0, usd_per_hour: float = math.inf
) -> tuple[Relaxation, ...]:
    """What to change when no point of the front has this throughput for this money; empty when one has."""
    if not front.points:
        return ()
    fast, cheap = front.cheapest_at(tokens_per_s), front.fastest_within(usd_per_hour)
    if fast is not None and cheap is not None and cheap.tokens_per_s >= tokens_per_s:
        return ()
    found = []
    if cheap is not None:
        money = "" if math.isinf(usd_per_hour) else f" for {usd_per_hour:g} USD/h"
        line = f"{tokens_per_s:g} tokens/s are out of reach, {_down(cheap.tokens_per_s)} are possible{money}"
        found.append(Relaxation("tokens_per_s", tokens_per_s, cheap.tokens_per_s, line))
    if fast is not None:
        speed = f" of {tokens_per_s:g} tokens/s" if tokens_per_s else ""
        line = (
            f"{usd_per_hour:g} USD/h are too little, the cheapest plan{speed} costs {_up(fast.usd_per_hour)}"
        )
        found.append(Relaxation("usd_per_hour", usd_per_hour, fast.usd_per_hour, line))
    return tuple(found) or (together(["tokens_per_s", "usd_per_hour"]),)


def feasible(table: StageTable, limits: Limits) -> bool:
    """Whether any plan keeps to the limits."""
    rows = latency_row(table, limits.prefill_s)
    return any(cheapest_choice(part, 0.0, rows) is not None for part in parts(table, limits))


def smallest_sets(names: Sequence[str], works: Callable[[tuple[str, ...]], bool]) -> list[tuple[str, ...]]:
    """The sets of names that work, of the smallest size at which any does."""
    for size in range(1, len(names) + 1):
        found = [some for some in combinations(names, size) if works(some)]
        if found:
            return found
    return []


def _limit_relaxation(name: str, table: StageTable, limits: Limits, without: Limits) -> Relaxation:
    if name == "prefill_s":
        known = replace(without, prefill_s=_ANY_KNOWN_S)
        plans = [cheapest_choice(part, 0.0, (), part.prefill_s) for part in parts(table, known)]
        least = min((prefill_s(table, plan) for plan in plans if plan is not None), default=None)
        if least is None:
            return Relaxation(name, limits.prefill_s, None, "no plan's prefill latency is known")
        line = f"no plan takes {limits.prefill_s:g} s or less for a prompt, the fastest takes {_up(least)} s"
        return Relaxation(name, limits.prefill_s, least, line)
    if name == "stages" and limits.stages is not None:
        rows, each = latency_row(table, limits.prefill_s), np.ones_like(table.tokens_per_s)
        plans = [cheapest_choice(part, 0.0, rows, each) for part in parts(table, without)]
        fewest = min(len(plan) for plan in plans if plan is not None)
        line = f"{limits.stages} stages are too few, {fewest} are enough"
        return Relaxation(name, limits.stages, fewest, line)
    subject = "GPU type" if name == "single_type" else "TP degree"
    return Relaxation(name, None, None, f"no plan has a single {subject}, without that limit one exists")


def together(names: Sequence[str]) -> Relaxation:
    """Several constraints of which none is enough by itself."""
    line = f"{' and '.join(names)} must be relaxed together, none of them is enough alone"
    return Relaxation(" and ".join(names), None, None, line)


def _up(value: float) -> str:
    """Four digits, never less than the value."""
    return _rounded(value, math.ceil)


def _down(value: float) -> str:
    """Four digits, never more than the value."""
    return _rounded(value, math.floor)


def _rounded(value: float, whole: Callable[[float], int]) -> str:
    unit = 10.0 ** (math.floor(math.log10(value)) - 3)
    # Steps that are whole up to the last bits must not be rounded on.
    return f"{whole(round(value / unit, 6)) * unit:.6g}"
