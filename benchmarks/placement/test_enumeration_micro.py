"""Micro-benchmarks of what comes before the solver: segments, and counting their connections."""

from pathlib import Path

import pytest

from harness.placement import (
    DOCUMENTED,
    coarse_sizes,
    count_connections,
    enumerate_segments,
    fine_sizes,
    read_problem,
)

MEDIUM = Path(__file__).parents[2] / "fixtures" / "placement" / "medium"


@pytest.mark.parametrize("rule", [fine_sizes, coarse_sizes], ids=["fine", "coarse"])
def test_enumerate_segments(benchmark, rule):
    problem = read_problem(MEDIUM)
    segments = benchmark(enumerate_segments, problem, rule(40), DOCUMENTED)
    assert len(segments) == {fine_sizes: 4_797, coarse_sizes: 2_788}[rule]


def test_count_connections(benchmark):
    problem = read_problem(MEDIUM)
    segments = enumerate_segments(problem, fine_sizes(40), DOCUMENTED)
    assert benchmark(count_connections, segments, problem, DOCUMENTED).after_filter == 335_868
