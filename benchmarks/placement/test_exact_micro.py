"""Micro-benchmarks of the exact method at scale: the proven cheapest token, and the whole front."""

import pytest

from harness.placement import cheapest_token, exact_front, stage_table
from harness.placement.inputs.generator import synthetic_pool

# types: (GPUs per type, layers); about 400, 1,300 and 10,000 GPUs
POOLS = {30: ((4, 24), 80), 100: ((4, 24), 126), 300: ((4, 63), 126)}


def table_of(types):
    gpus_per_type, layers = POOLS[types]
    return stage_table(synthetic_pool(0, types, gpus_per_type, layers, max_pipeline_stages=16))


@pytest.mark.parametrize("types", [30, 100, pytest.param(300, marks=pytest.mark.slow)])
def test_cheapest_token_of_a_large_pool(benchmark, types):
    assert benchmark(cheapest_token, table_of(types)) is not None


def test_front_of_30_types(benchmark):
    assert benchmark(exact_front, table_of(30)).points
