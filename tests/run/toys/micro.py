"""Plain micro-benchmarks; the second one is a mistake that only the environment makes."""

import os


async def answer():
    return 42


def test_sum(benchmark):
    assert benchmark(sum, range(100)) == 4950


def test_coroutine(benchmark):
    benchmark.pedantic(answer if "TOY_COROUTINE" in os.environ else int, rounds=3)
