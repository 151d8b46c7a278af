"""The cheapest token alone, without the front: the fast path for large pools.

Branch and bound over spans of throughput. A span's cost is bounded from below by that of its lower
end, first without GPU counts (`relaxed_total`), then exactly; its ratio by that cost at its upper end.
Spans whose bound is no better than the best plan so far are closed, the others are searched or split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.placement.exact.certificate import Certificate, Span, reach
from harness.placement.exact.front import FrontPoint, cheaper_token, usd_of
from harness.placement.exact.sweep import Pool, cheapest_items, fewest_gpus, pool_of, relaxed_total, sweep
from harness.placement.problem import Floats
from harness.placement.stages import Choice, StageTable

_PIECES = 64
_EXACT_AT_ONCE = 8
# Different sums of the same prices differ in their last bits.
_SAME = 1e-12


@dataclass(slots=True)
class _Span:
    """Thresholds `first` to `last`: all cost at least `usd`, `exact` if that is the cost of `first`."""

    first: int
    last: int
    usd: float
    exact: bool = False


@dataclass(frozen=True, slots=True)
class CheapestToken:
    """The answer with its proof: of `thresholds` candidates, how many were bounded and how many searched."""

    certificate: Certificate
    thresholds: int
    bounded: int
    searched: int

    @property
    def point(self) -> FrontPoint:
        """The plan with the lowest USD per token."""
        return self.certificate.point


class _Search:
    """The best plan so far and the spans that cover all thresholds."""

    def __init__(self, table: StageTable) -> None:
        self.table, self.pool = table, pool_of(table)
        self.thresholds = table.thresholds
        self.best: FrontPoint | None = None
        self.bounded = self.searched = 0
        self.spans: list[_Span] = []

    def ratio(self, span: _Span) -> float:
        return span.usd / float(self.thresholds[span.last])

    def open(self) -> list[_Span]:
        """Spans that may hold a cheaper token, or as cheap a one for less money; the best bound first."""
        return sorted((s for s in self.spans if self.is_open(s)), key=lambda s: (self.ratio(s), s.first))

    def is_open(self, span: _Span) -> bool:
        if self.best is None:
            return math.isfinite(span.usd)
        bound, best = self.ratio(span), self.best.usd_per_hour / self.best.tokens_per_s
        if bound < best * (1 - _SAME):
            return True
        searched = span.exact and span.first == span.last
        cheaper = float(self.thresholds[span.first]) < self.best.tokens_per_s
        return cheaper and not searched and bound <= best * (1 + _SAME)

    def split(self, spans: list[_Span]) -> None:
        """Cut each span into pieces, bound every piece."""
        each = max(2, _PIECES // len(spans))
        for span in spans:
            count = min(each, span.last - span.first + 1)
            starts = [span.first + i * (span.last - span.first + 1) // count for i in range(count)]
            pieces = [
                _Span(a, b - 1, span.usd) for a, b in zip(starts, [*starts[1:], span.last + 1], strict=True)
            ]
            pieces[0].exact = span.exact
            self.spans.remove(span)
            self.spans += pieces
            fresh = [piece for piece in pieces if not piece.exact]
            self.bounded += len(fresh)
            for piece, usd in zip(fresh, self.bounds([p.first for p in fresh]), strict=True):
                piece.usd = max(piece.usd, float(usd))

    def bounds(self, indices: list[int]) -> Floats:
        return relaxed_usd(self.pool, self.thresholds[indices])

    def search(self, spans: list[_Span]) -> None:
        """Find the cheapest plan at the lower end of each span."""
        self.searched += len(spans)
        floors = [float(self.thresholds[span.first]) for span in spans]
        for span, choice in zip(spans, sweep(self.table, floors), strict=True):
            span.exact, span.usd = True, math.inf
            if choice is not None:
                span.usd = usd_of(choice, self.table)
                self.keep(choice, span.usd)

    def keep(self, choice: Choice, usd: float) -> None:
        found = FrontPoint(self.table.rate(choice), usd, choice)
        self.best = found if self.best is None else cheaper_token([self.best, found])


def relaxed_usd(pool: Pool, floors: Floats) -> Floats:
    """A lower bound on the cost at each floor, in USD/h: no type is ever short of GPUs; shape (floors,)."""
    items = cheapest_items(fewest_gpus(pool, floors), pool.table.usd_per_hour[pool.types])
    return relaxed_total(items, pool.table.most_stages)


def cheapest_token(table: StageTable) -> CheapestToken | None:
    """The plan with the lowest USD per token, of equals the cheapest, and the proof; None without a plan."""
    search = _Search(table)
    if not len(search.thresholds):
        return None
    search.spans = [_Span(0, len(search.thresholds) - 1, 0.0)]
    search.split(search.spans[:])
    while found := search.open():
        unsearched = [span for span in found if not span.exact][:_EXACT_AT_ONCE]
        if unsearched:
            search.search(unsearched)
        else:
            search.split(found)
    return None if search.best is None else CheapestToken(*_proof(search))


def _proof(search: _Search) -> tuple[Certificate, int, int, int]:
    """The spans found, each stretched as far as its bound carries, so that few are left."""
    assert search.best is not None
    spans, reached, beyond = [], -1, math.inf
    for span in sorted(search.spans, key=lambda s: s.first):
        if math.isinf(span.usd):
            beyond = float(search.thresholds[span.first])
            break
        if span.last <= reached:
            continue
        floor, carries = float(search.thresholds[span.first]), reach(span.usd, search.best)
        reached = max(span.last, int(np.searchsorted(search.thresholds, carries, side="right")) - 1)
        spans.append(Span(floor, float(search.thresholds[reached]), span.usd))
    certificate = Certificate(search.best, tuple(spans), beyond)
    return certificate, len(search.thresholds), search.bounded, search.searched
