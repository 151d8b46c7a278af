"""Plain micro-benchmarks: pytest-benchmark's own fixture, guarded, and its results for our report."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any, TypedDict

from pytest_benchmark.fixture import BenchmarkFixture

from harness.errors import HarnessError
from harness.results import Micro, write_atomically
from harness.results.documents import json_text, read_json
from harness.results.records import SCHEMA_VERSION, JsonDict


class GuardedBenchmark(BenchmarkFixture):  # type: ignore[misc]
    """pytest-benchmark's fixture, refusing coroutine functions: it would time only their creation."""

    def __call__(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_coroutine(function)
        return self._finished(function, super().__call__(function, *args, **kwargs))

    def pedantic(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        """As pytest-benchmark's own, for plain functions only."""
        _refuse_coroutine(target)
        return self._finished(target, super().pedantic(target, *args, **kwargs))

    def _finished(self, function: Any, result: Any) -> Any:
        """The result, unless it still has to be awaited; then what was timed counts as an error."""
        if not inspect.isawaitable(result):
            return result
        self.has_error = True
        if self.stats is not None:
            self.stats.stats.data.clear()  # an empty one is left out of every report
        if inspect.iscoroutine(result):
            result.close()
        raise _only_creation(f"{_name(function)} returns an awaitable")


def _refuse_coroutine(function: Any) -> None:
    if inspect.iscoroutinefunction(function):
        raise _only_creation(f"{_name(function)} is a coroutine function")


def _name(function: Any) -> str:
    return getattr(function, "__name__", repr(function))


def _only_creation(what: str) -> HarnessError:
    return HarnessError(
        f"{what}: pytest-benchmark would time only its creation",
        next_step="use the ab fixture, whose arms may be async, or wrap it in asyncio.run",
    )


class PlainRecord(TypedDict):
    """One plain benchmark: our entry, and pytest-benchmark's own with parameters that JSON can hold."""

    schema_version: int
    micro: Micro
    native: JsonDict


def plain_record(bench: Any, row: str) -> PlainRecord:
    """What pytest-benchmark found, measured on hardware row `row`.

    It would write a parameter like a function with its address, so that no two runs had one in common.
    """
    native: JsonDict = bench.as_dict(include_data=True)
    native["params"] = {name: _stable(value) for name, value in (native["params"] or {}).items()}
    micro = Micro(
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
    return PlainRecord(schema_version=SCHEMA_VERSION, micro=micro, native=native)


def save_plain(run_dir: Path, record: PlainRecord) -> PlainRecord:
    """Keep one finished plain benchmark in the run's folder, whole or not at all."""
    folder = run_dir / "micro"
    folder.mkdir(exist_ok=True)
    name = hashlib.sha256(record["micro"]["nodeid"].encode()).hexdigest()[:16]
    write_atomically(folder / f"{name}.json", json_text(record))
    return record


def load_plain(run_dir: Path) -> dict[str, PlainRecord]:
    """The plain benchmarks that an interrupted run finished, by nodeid."""
    again = "delete the file; --resume then measures this benchmark again"
    records: list[PlainRecord] = [
        read_json(path, again) for path in sorted((run_dir / "micro").glob("*.json"))
    ]
    return {record["micro"]["nodeid"]: record for record in records}


def _stable(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__name__", type(value).__name__)
