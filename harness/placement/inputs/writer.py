"""Write a problem as the three files that `read_problem` reads back equal."""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness.errors import HarnessError
from harness.placement.inputs.pool_file import POOL_COLUMNS, SPEC_COLUMNS
from harness.placement.inputs.reader import BANDWIDTH, CONFIG, POOL
from harness.placement.problem import GpuType, Problem


def write_problem(problem: Problem, directory: Path) -> None:
    """Write `problem` to a directory that is new or empty; the files appear there all at once.

    HarnessError where the directory has anything in it, or cannot be written.
    """
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise HarnessError(
                "there is something here already", where=str(directory), next_step="name a new directory"
            )
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
            # A folder inside: the scratch folder itself may be entered by its owner alone.
            ready = Path(scratch) / "problem"
            ready.mkdir()
            _write_files(problem, ready)
            ready.replace(directory)
    except OSError as error:
        raise HarnessError(f"cannot be written ({error.strerror})", where=str(directory)) from None


def _write_files(problem: Problem, directory: Path) -> None:
    config = dataclasses.asdict(problem.config)
    _write(directory / CONFIG, [["parameter", "value"], *([key, _cell(config[key])] for key in config)])
    _write(directory / POOL, _pool_rows(problem.pool))
    _write(directory / BANDWIDTH, _bandwidth_rows(problem))


def _write(path: Path, lines: Iterable[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ";".join(map(_cell, value))
    return str(value)


def _pool_rows(pool: tuple[GpuType, ...]) -> Iterable[list[str]]:
    described = any(gpu.spec for gpu in pool)
    yield POOL_COLUMNS + SPEC_COLUMNS if described else POOL_COLUMNS
    for gpu in pool:
        row = [gpu.name, str(gpu.count), str(gpu.memory_gb), str(gpu.usd_per_hour)]
        spec = dataclasses.astuple(gpu.spec) if gpu.spec else [""] * len(SPEC_COLUMNS)
        yield [*row, *map(str, spec)] if described else row


def _bandwidth_rows(problem: Problem) -> Iterable[list[str]]:
    matrix = problem.bandwidth_gb_per_s
    per_gpu = len(matrix) == problem.gpus
    names = [f"gpu_{i}" for i in range(problem.gpus)] if per_gpu else [gpu.name for gpu in problem.pool]
    yield ["", *names]
    for name, row in zip(names, matrix.tolist(), strict=True):
        yield [name, *map(str, row)]
