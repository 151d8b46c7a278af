"""Links between neighbouring stages: how many tokens they carry, and in which order stages can stand.

A link depends on the classes, (GPU type, tensor-parallel degree), of the two stages only. Links have
a direction. A plan of one stage has none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from harness.placement.problem import Config, Floats, Problem
from harness.placement.rates import link_rate
from harness.placement.stages import Choice, Ints, StageTable

Allowed = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class LinkedTable(StageTable):
    """Stages whose links may bind: `links[c, d]` tokens/s from class c to class d, shape (C, C).

    `contiguous`: the stages of one GPU type stand next to each other.
    """

    links: Floats
    contiguous: bool

    @property
    def thresholds(self) -> Floats:
        """Every stage rate, and every link rate that can undercut one; ascending, shape (T,)."""
        rates = self.tokens_per_s[self.tokens_per_s > 0]
        used = (self.tokens_per_s > 0).any(axis=1)
        links = self.links[np.ix_(used, used)]
        return np.unique(np.concatenate([rates, links[(links > 0) & (links < rates.max(initial=0))]]))

    def rate(self, choice: Choice) -> float:
        """Tokens/s of the slowest stage or link, in the best order of the stages; 0 if they have none."""
        slowest = StageTable.rate(self, choice)
        kinds = np.unique([kind for kind, _ in choice])
        links = np.unique(self.links[np.ix_(kinds, kinds)])
        rates = [*links[(links > 0) & (links < slowest)].tolist(), slowest]
        reached, above = 0, len(rates)  # an order reaches all of the first `reached`, none from `above` on
        while reached < above:
            middle = (reached + above) // 2 if above < len(rates) else above - 1
            if self.order(choice, rates[middle]) is None:
                above = middle
            else:
                reached = middle + 1
        return rates[reached - 1] if reached else 0.0

    def order(self, choice: Choice, tokens_per_s: float) -> Choice | None:
        """The stages of `choice` in an order in which every link carries `tokens_per_s`, if there is one."""
        return order_stages(choice, self, self.links >= tokens_per_s, self.contiguous)


def with_links(table: StageTable, links: Floats, contiguous: bool = False) -> LinkedTable:
    """The same stages, with links of these rates between them."""
    own = {field.name: getattr(table, field.name) for field in fields(StageTable)}
    return LinkedTable(**own, links=links, contiguous=contiguous)


def class_links(problem: Problem, table: StageTable) -> tuple[Floats, Floats]:
    """Tokens/s from class to class over the (slowest, fastest) links of their types, shape (C, C) each.

    The documented link rate: the link between the two groups, and inside each group of more than one
    GPU (tp - 1) / tp of its own bandwidth, whichever is least.
    """
    slowest, fastest = problem.type_bandwidth()
    return _carried(slowest, table, problem.config), _carried(fastest, table, problem.config)


def _carried(gb_per_s: Floats, table: StageTable, config: Config) -> Floats:
    share = np.where(table.tp > 1, (table.tp - 1) / table.tp, 1)
    inside = np.where(table.tp > 1, np.diag(gb_per_s)[table.type] * share, np.inf)
    between = gb_per_s[np.ix_(table.type, table.type)]
    least = np.minimum(between, np.minimum(inside[:, None], inside[None, :]))
    carried: Floats = least * link_rate(config, 1.0)
    return carried


def twins(kinds: Ints, table: StageTable, allowed: Allowed, contiguous: bool) -> Ints:
    """Numbers the kinds, (K,) classes, so that those with the same neighbours, and type if it matters, agree.

    Such classes can take each other's place in any order of stages.
    """
    among = allowed[np.ix_(kinds, kinds)]
    type_ = table.type[kinds] if contiguous else np.zeros(len(kinds), np.int64)
    _, numbers = np.unique(np.column_stack([among, among.T, type_]), axis=0, return_inverse=True)
    return numbers.reshape(-1)


def order_stages(choice: Choice, table: StageTable, allowed: Allowed, contiguous: bool) -> Choice | None:
    """The stages in an order in which each class is allowed after the one before; None if there is none.

    `allowed[c, d]`: class d may follow class c, shape (C, C). `contiguous`: the stages of a type stand
    next to each other. A search over (stages left of each kind, last kind), twins being one kind.
    """
    stages = sorted(choice)
    kinds = np.unique([kind for kind, _ in stages])
    if len(stages) == 1 or allowed[np.ix_(kinds, kinds)].all():
        return tuple(stages)
    node_of = dict(zip(kinds.tolist(), twins(kinds, table, allowed, contiguous).tolist(), strict=True))
    stand_in = {node: kind for kind, node in node_of.items()}
    follows = {a: [b for b in stand_in if allowed[c, stand_in[b]]] for a, c in stand_in.items()}
    type_of = {node: int(table.type[kind]) if contiguous else 0 for node, kind in stand_in.items()}
    counts = Counter(node_of[kind] for kind, _ in stages)
    walk = _walk(tuple(counts[node] for node in range(len(stand_in))), follows, type_of)
    if walk is None:
        return None
    waiting = {node: [stage for stage in stages if node_of[stage[0]] == node] for node in stand_in}
    return tuple(waiting[node].pop(0) for node in walk)


def _walk(
    counts: tuple[int, ...], follows: dict[int, list[int]], type_of: dict[int, int]
) -> list[int] | None:
    """A walk that visits node i counts[i] times and leaves no type before it is done with it."""
    dead: set[tuple[tuple[int, ...], int]] = set()

    def extend(left: tuple[int, ...], last: int) -> list[int] | None:
        if not any(left):
            return [last]
        if (left, last) in dead:
            return None
        staying = any(left[node] for node in type_of if type_of[node] == type_of[last])
        for node in follows[last]:
            if left[node] and (type_of[node] == type_of[last] or not staying):
                rest = extend(_less(left, node), node)
                if rest is not None:
                    return [last, *rest]
        dead.add((left, last))
        return None

    starts = (extend(_less(counts, node), node) for node in sorted(type_of))
    return next((walk for walk in starts if walk is not None), None)


def _less(left: tuple[int, ...], node: int) -> tuple[int, ...]:
    return (*left[:node], left[node] - 1, *left[node + 1 :])
