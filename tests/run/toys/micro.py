"""Plain micro-benchmarks; the second one is a mistake that only the environment makes."""

import asyncio
import os

MISTAKES = {
    "1": lambda: answer,
    "hidden": lambda: lambda: answer(),
    "future": lambda: asyncio.new_event_loop().create_future,
}


async def answer():
    return 42


def test_sum(benchmark):
    assert benchmark(sum, range(100)) == 4950


def test_coroutine(benchmark):
    mistake = MISTAKES.get(os.environ.get("TOY_COROUTINE", ""))
    benchmark.pedantic(mistake() if mistake else int, rounds=3)
