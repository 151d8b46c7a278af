from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.documented.connections import count_connections, enumerate_connections, neighbours
from harness.placement.problem import Problem
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    Rules,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)

TP_8 = replace(DOCUMENTED, tp_divides_count=False)
TYPED_IDS = replace(DOCUMENTED, type_blind_gpu_ids=False)
NO_FILTER = replace(TYPED_IDS, filter_slow_links=False)
_GROUP = ["type", "tp", "group"]
FINE, COARSE, ALL = fine_sizes(40), coarse_sizes(40), all_sizes(40)


@pytest.mark.parametrize(
    ("sizes", "rules", "before", "binaries"),
    [
        pytest.param(FINE, DOCUMENTED, 353_516, 340_665, id="14 sizes"),
        pytest.param(COARSE, DOCUMENTED, 134_698, 131_206, id="6 sizes"),
        pytest.param(ALL, DOCUMENTED, 2_727_504, 2_604_060, id="all sizes"),
        pytest.param(FINE, TP_8, 368_894, 356_030, id="14 sizes, TP up to 8"),
        pytest.param(COARSE, TP_8, 137_446, 133_980, id="6 sizes, TP up to 8"),
        pytest.param(FINE, TYPED_IDS, 423_282, 410_431, id="14 sizes, GPU ids with type"),
        pytest.param(COARSE, TYPED_IDS, 157_986, 154_494, id="6 sizes, GPU ids with type"),
        pytest.param(COARSE, NO_FILTER, 157_986, 2_788 + 157_986, id="6 sizes, no filter"),
    ],
)
def test_published_counts(
    medium: Problem, sizes: tuple[int, ...], rules: Rules, before: int, binaries: int
) -> None:
    segments = enumerate_segments(medium, sizes, rules)
    count = count_connections(segments, medium, rules)
    assert count.before_filter == before
    assert len(segments) + count.after_filter == binaries
    assert len(enumerate_connections(segments, medium, rules).source) == count.after_filter


def test_too_many_groups_are_refused_before_they_are_paired(medium: Problem) -> None:
    crowd = replace(medium, pool=tuple(replace(gpu, count=9_000) for gpu in medium.pool))
    segments = enumerate_segments(crowd, (40,), DOCUMENTED)
    for pairs in (count_connections, enumerate_connections, neighbours):
        with pytest.raises(HarnessError, match=r"groups of GPUs could be neighbours .*; take the exact"):
            pairs(segments, crowd, DOCUMENTED)


def test_the_filter_drops_the_slow_block(medium: Problem) -> None:
    segments = enumerate_segments(medium, FINE, DOCUMENTED)
    assert count_connections(segments, medium, DOCUMENTED).after_filter == 335_868
    assert set(enumerate_connections(segments, medium, DOCUMENTED).gb_per_s) == {600.0}
    unfiltered = replace(DOCUMENTED, filter_slow_links=False)
    assert set(enumerate_connections(segments, medium, unfiltered).gb_per_s) == {550.0, 600.0}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_connections_are_the_plain_pairs(
    small_problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    """Both ways of counting equal a comparison of GPU sets pair by pair, and np.percentile."""
    drawn = data.draw(small_problems)
    gpus = len(drawn.bandwidth_gb_per_s)
    links = np.random.default_rng(data.draw(st.integers(0, 99))).integers(1, 9, (gpus, gpus)) * 100.0
    share = data.draw(st.sampled_from([0.0, 0.1, 0.37, 0.5, 1.0]))
    config = replace(drawn.config, network_bandwidth_percentile_threshold=share)
    problem = replace(drawn, config=config, bandwidth_gb_per_s=links)
    blind, filtered = data.draw(st.booleans()), data.draw(st.booleans())
    rules = replace(CORRECTED, type_blind_gpu_ids=blind, filter_slow_links=filtered)
    segments = enumerate_segments(problem, all_sizes(problem.layers), rules)[:: data.draw(st.integers(1, 7))]

    def numbers(segment: np.void, typed: bool) -> set[int]:
        first = int(segment["first_gpu"]) - (0 if typed else problem.first_gpus[int(segment["type"])])
        return set(range(first, first + int(segment["tp"])))

    pairs = [
        (i, j, min(links[a, b] for a in numbers(one, True) for b in numbers(other, True)))
        for i, one in enumerate(segments)
        for j, other in enumerate(segments)
        if one["start"] + one["size"] == other["start"]
        and not numbers(one, not blind) & numbers(other, not blind)
    ]
    limit = np.percentile([pair[2] for pair in pairs], 100 * share) if pairs and filtered else -1.0
    kept = {pair for pair in pairs if pair[2] >= limit}
    count = count_connections(segments, problem, rules)
    assert (count.before_filter, count.after_filter) == (len(pairs), len(kept))
    found = enumerate_connections(segments, problem, rules)
    assert set(zip(found.source, found.target, found.gb_per_s, strict=True)) == kept
    near = neighbours(segments, problem, rules)
    number = {group: i for i, group in enumerate(near.groups[_GROUP].tolist())}
    group_of = [number[group] for group in segments[_GROUP].tolist()]
    assert set(zip(*np.nonzero(near.allowed), strict=True)) == {
        (group_of[i], group_of[j]) for i, j, _ in kept
    }
