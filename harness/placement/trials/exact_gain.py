"""The exact method beside another: what it found, whether its proof holds, whether anything is cheaper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from harness.placement.exact.certificate import Certificate, certificate_of, check_certificate
from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.front import Front, FrontPoint, exact_front
from harness.placement.exact.ratio import cheapest_token
from harness.placement.plan import Solution
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED
from harness.placement.stages import Choice, StageTable, stage_table

# sums of the same prices in another order, and what HiGHS is right to
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Proven:
    """The cheapest token of a table with its proof, and at how many throughput floors it was searched."""

    table: StageTable
    certificate: Certificate | None
    searched: int

    @property
    def usd_per_million_tokens(self) -> float:
        """Infinite where there is no plan."""
        return math.inf if self.certificate is None else self.certificate.point.usd_per_million_tokens


def prove(problem: Problem) -> Proven:
    """The cheapest token from the problem as read: every size, corrected rules."""
    return prove_alone(stage_table(problem, CORRECTED))


def prove_alone(table: StageTable) -> Proven:
    """The cheapest token by the fast path."""
    found = cheapest_token(table)
    return Proven(table, None, 0) if found is None else Proven(table, found.certificate, found.searched)


def prove_by_front(table: StageTable) -> Proven:
    """The cheapest token read off the whole front."""
    front = exact_front(table)
    return Proven(table, certificate_of(front, table), front.visited)


def proof_faults(_: object, proven: Proven) -> int:
    """What the independent checker finds wrong with the proof; having no plan proves nothing, so 1."""
    return 1 if proven.certificate is None else _faults(proven.certificate, proven.table)


@cache
def _faults(certificate: Certificate, table: StageTable) -> int:
    return len(check_certificate(certificate, table))


def excess(other: Proven | Solution, proven: Proven) -> float:
    """How much dearer the exact token is than the other's, which is never the case.

    A solution counts with what its plan really makes. Without a plan there is nothing to exceed: 0.
    """
    found = other if isinstance(other, Proven) else other.plan
    theirs = math.inf if found is None else found.usd_per_million_tokens
    if math.isinf(theirs):
        return 0.0
    loss = proven.usd_per_million_tokens / theirs - 1
    return loss if loss > _SAME else min(loss, 0.0)


def highs_oracle(table: StageTable, floors: Sequence[float]) -> list[Choice | None]:
    """The cheapest choice at each floor by one small MILP per floor."""
    return [cheapest_choice(table, floor) for floor in floors]


def different_corners(reference: Front, front: Front) -> int:
    """Corners of either front that the other lacks."""
    return _lacking(reference.points, front.points) + _lacking(front.points, reference.points)


def _lacking(points: Sequence[FrontPoint], others: Sequence[FrontPoint]) -> int:
    return sum(
        not any(
            math.isclose(p.tokens_per_s, q.tokens_per_s, rel_tol=_SAME)
            and math.isclose(p.usd_per_hour, q.usd_per_hour, rel_tol=_SAME)
            for q in others
        )
        for p in points
    )
