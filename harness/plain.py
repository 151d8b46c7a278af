"""Plain micro-benchmarks: pytest-benchmark's own fixture, guarded, and its results for our report."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from harness.errors import HarnessError
from harness.results import Micro
from harness.results.records import JsonDict


class GuardedBenchmark(BenchmarkFixture):  # type: ignore[misc]
    """pytest-benchmark's fixture, refusing coroutine functions: it would time only their creation."""

    def __call__(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_coroutine(function)
        return super().__call__(function, *args, **kwargs)

    def pedantic(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        """As pytest-benchmark's own, for plain functions only."""
        _refuse_coroutine(target)
        return super().pedantic(target, *args, **kwargs)


def _refuse_coroutine(function: Any) -> None:
    if inspect.iscoroutinefunction(function):
        name = getattr(function, "__name__", repr(function))
        raise HarnessError(
            f"{name} is a coroutine function: pytest-benchmark would time only its creation",
            next_step="use the ab fixture, whose arms may be async, or wrap it in asyncio.run",
        )


def micro_results(benchmarks: Sequence[Any], row: str) -> list[Micro]:
    """pytest-benchmark's results as entries of our run document; those that never ran are left out."""
    return [
        Micro(
            nodeid=bench.fullname,
            group=bench.group,
            hardware=row,
            rounds=bench.stats.rounds,
            iterations=bench.iterations,
            median_s=bench.stats.median,
            iqr_s=bench.stats.iqr,
            min_s=bench.stats.min,
            provenance="measured",
        )
        for bench in benchmarks
        if bench
    ]


def native_results(benchmarks: Sequence[Any]) -> list[JsonDict]:
    """The same results in pytest-benchmark's own format, with parameters that JSON can hold.

    pytest-benchmark would write a parameter like a function with its address, so that no two runs
    had one in common.
    """
    entries: list[JsonDict] = [bench.as_dict(include_data=True) for bench in benchmarks if bench]
    for entry in entries:
        entry["params"] = {name: _stable(value) for name, value in (entry["params"] or {}).items()}
    return entries


def _stable(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__name__", type(value).__name__)
