"""Which segment may follow which: the connections that make up 98 % of the documented solver's binaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.problem import Problem
from harness.placement.segments import Rules, Segments

_GROUP = ["type", "tp", "group"]
# Every pair of groups takes some 30 bytes.
_MOST_GROUPS = 8_000


@dataclass(frozen=True, slots=True)
class ConnectionCount:
    """Connections in all, and those left once links below the bandwidth percentile are dropped."""

    before_filter: int
    after_filter: int


@dataclass(frozen=True, slots=True)
class Connections:
    """Pairs of segments: `source[k]` ends one layer before `target[k]` starts; indices into the segments."""

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    gb_per_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which TP group may hand over to which: `allowed` has shape (groups, groups).

    One segment of each group stands for it in `groups`. Where two groups may be neighbours at all,
    every pair of their segments that meet at a layer may be.
    """

    groups: Segments
    allowed: NDArray[np.bool_]


def neighbours(segments: Segments, problem: Problem, rules: Rules) -> Neighbours:
    """The same as the connections, without one for each layer at which they meet."""
    groups, pairs, links = _pairs(segments, problem, rules)
    return Neighbours(groups, (pairs > 0) & (links >= _cut(pairs, links, problem, rules)))


def count_connections(segments: Segments, problem: Problem, rules: Rules) -> ConnectionCount:
    """Count without building: per pair of groups, the sum over layers of (ending there) * (starting next)."""
    _, pairs, links = _pairs(segments, problem, rules)
    threshold = _cut(pairs, links, problem, rules)
    return ConnectionCount(int(pairs.sum()), int(pairs[links >= threshold].sum()))


def _pairs(
    segments: Segments, problem: Problem, rules: Rules
) -> tuple[Segments, NDArray[np.int64], NDArray[np.float64]]:
    """The groups; connections before the filter and GB/s of each pair of them, shape (groups, groups)."""
    groups, of_segment = _groups(segments)
    ending = np.zeros((len(groups), problem.layers + 2))
    starting = np.zeros_like(ending)
    np.add.at(ending, (of_segment, segments["start"] + segments["size"]), 1)
    np.add.at(starting, (of_segment, segments["start"]), 1)
    pairs = np.rint(ending @ starting.T).astype(np.int64) * _compatible(groups, problem, rules)
    return groups, pairs, _link_gb_per_s(groups, problem)


def _cut(pairs: NDArray[np.int64], links: NDArray[np.float64], problem: Problem, rules: Rules) -> float:
    return _threshold(links[pairs > 0], pairs[pairs > 0], problem, rules)


def enumerate_connections(segments: Segments, problem: Problem, rules: Rules) -> Connections:
    """Every connection that the filter leaves, ordered by boundary, source, target."""
    groups, of_segment = _groups(segments)
    compatible = _compatible(groups, problem, rules)
    links = _link_gb_per_s(groups, problem)
    following = segments["start"] + segments["size"]
    sources, targets = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for layer in range(2, problem.layers + 1):
        before, after = np.flatnonzero(following == layer), np.flatnonzero(segments["start"] == layer)
        row, column = np.nonzero(compatible[np.ix_(of_segment[before], of_segment[after])])
        sources.append(before[row])
        targets.append(after[column])
    source, target = np.concatenate(sources), np.concatenate(targets)
    gb_per_s = links[of_segment[source], of_segment[target]]
    keep = gb_per_s >= _threshold(gb_per_s, np.ones(len(source), np.int64), problem, rules)
    return Connections(source[keep], target[keep], gb_per_s[keep])


def _groups(segments: Segments) -> tuple[Segments, NDArray[np.intp]]:
    """One segment of each TP group, and the group of each segment as an index into those."""
    _, first, inverse = np.unique(segments[_GROUP], return_index=True, return_inverse=True)
    if len(first) > _MOST_GROUPS:
        raise HarnessError(
            f"{len(first):,} groups of GPUs could be neighbours",
            where="gpu_pool.csv",
            allowed=f"up to {_MOST_GROUPS:,} with connections",
            next_step="take the exact method with corrected rules",
        )
    return segments[first], inverse.reshape(-1)


def _compatible(groups: Segments, problem: Problem, rules: Rules) -> NDArray[np.bool_]:
    """Whether two groups share no GPU, shape (groups, groups), under the rules' idea of a GPU's number."""
    first = groups["first_gpu"].astype(np.int64)
    if rules.type_blind_gpu_ids:
        first = first - np.array(problem.first_gpus)[groups["type"]]
    last = first + groups["tp"]
    compatible: NDArray[np.bool_] = (last[:, None] <= first[None, :]) | (last[None, :] <= first[:, None])
    return compatible


def _link_gb_per_s(groups: Segments, problem: Problem) -> NDArray[np.float64]:
    """Bandwidth of the slowest GPU pair between two groups, shape (groups, groups)."""
    first, last = groups["first_gpu"], groups["first_gpu"] + groups["tp"]
    matrix = problem.gpu_bandwidth()
    rows = np.array([matrix[a:b].min(axis=0) for a, b in zip(first, last, strict=True)])
    rows = rows.reshape(len(groups), len(matrix))
    columns = [rows[:, a:b].min(axis=1) for a, b in zip(first, last, strict=True)]
    return np.array(columns).reshape(len(groups), len(groups)).T


def _threshold(
    values: NDArray[np.float64], counts: NDArray[np.int64], problem: Problem, rules: Rules
) -> float:
    """The bandwidth below which a connection is dropped: the config's percentile, interpolated linearly.

    `counts[k]` connections have bandwidth `values[k]`, as np.percentile would see them one by one.
    """
    total = int(counts.sum())
    if not rules.filter_slow_links or not total:
        return -np.inf
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(counts[order])
    position = problem.config.network_bandwidth_percentile_threshold * (total - 1)
    below = int(position)
    low, high = (
        values[order[np.searchsorted(upto, place, side="right")]]
        for place in (below, min(below + 1, total - 1))
    )
    return float(low + (high - low) * (position - below))
