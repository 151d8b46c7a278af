"""Read a problem from its directory: `config.csv`, `gpu_pool.csv`, `network_bandwidth.csv`."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.placement.problem import Config, GpuType, Problem
from harness.placement.rates import GPU_SPECS

_POOL_COLUMNS = ["gpu_type", "count", "memory_gb", "dollar_per_hour"]
_BOOLEANS = {"true": True, "false": False}

# Smallest and largest value of each number in config.csv, where it is not simply "at least 1" for a
# whole number and "above 0" for any other.
_SMALLEST_POSITIVE = 5e-324
_RANGES: dict[str, tuple[float, float]] = {
    "d_hidden": (0, math.inf),
    "vocab_size": (0, math.inf),
    "num_attention_heads": (0, math.inf),
    "optimality_gap": (0, 1),
    "min_memory_utilization": (0, 1),
    "network_bandwidth_percentile_threshold": (0, 1),
    "cost_throughput_weight": (0, 1),
}


def read_problem(directory: Path) -> Problem:
    """The problem in `directory`; HarnessError names file, line, column and what is allowed."""
    config = _read_config(directory / "config.csv")
    pool = _read_pool(directory / "gpu_pool.csv")
    gpus = sum(gpu.count for gpu in pool)
    return Problem(config, pool, _read_bandwidth(directory / "network_bandwidth.csv", gpus))


def _rows(path: Path) -> list[tuple[str, list[str]]]:
    """(place, cells) of each line that is neither empty nor a comment."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise HarnessError(
            "no such file",
            where=str(path),
            next_step="a problem directory holds config.csv, gpu_pool.csv and network_bandwidth.csv",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"cannot be read as UTF-8 text ({error})", where=str(path)) from None
    reader = csv.reader(text.splitlines())
    rows = [(f"{path}, line {reader.line_num}", [cell.strip() for cell in row]) for row in reader]
    return [(place, row) for place, row in rows if any(row) and not row[0].startswith("#")]


def _number(text: str, where: str, low: float, high: float = math.inf, *, whole: bool = False) -> float:
    """A finite number in [low, high]; `where` names file, line and column."""
    allowed = "a whole number" if whole else "a number"
    if low == _SMALLEST_POSITIVE:
        allowed += " above 0"
    else:
        allowed += f" from {low:g} to {high:g}" if math.isfinite(high) else f", at least {low:g}"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not low <= value <= high or (whole and value != int(value)):
        raise HarnessError(f"{text!r} is not allowed", where=where, allowed=allowed)
    return value


def _unknown(name: str, known: list[str], what: str, where: str) -> HarnessError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else ""
    return HarnessError(f"unknown {what} {name!r}", where=where, allowed=", ".join(known), next_step=hint)


def _read_config(path: Path) -> Config:
    fields = {field.name: field for field in dataclasses.fields(Config)}
    rows = _rows(path)
    if not rows or rows[0][1] != ["parameter", "value"]:
        raise HarnessError("the first line is not the header", where=str(path), allowed="parameter,value")
    values: dict[str, Any] = {}
    for place, row in rows[1:]:
        if len(row) != 2:
            raise HarnessError(f"{len(row)} cells in a row", where=place, allowed="parameter,value")
        key, text = row
        if key not in fields:
            raise _unknown(key, list(fields), "parameter", place)
        if key in values:
            raise HarnessError(f"parameter {key!r} is given twice", where=place, next_step="keep one")
        values[key] = _config_value(key, str(fields[key].type), text, f"{place}, {key}")
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise HarnessError(f"parameter {name!r} is missing", where=str(path), next_step="add its row")
    config = Config(**values)
    if config.min_layers_per_stage > config.num_decoder_layers:
        raise HarnessError(
            f"min_layers_per_stage is {config.min_layers_per_stage}",
            where=str(path),
            allowed=f"1 to num_decoder_layers = {config.num_decoder_layers}",
        )
    return config


def _config_value(key: str, kind: str, text: str, where: str) -> object:
    if kind == "bool":
        if text.lower() not in _BOOLEANS:
            raise HarnessError(f"{text!r} is not allowed", where=where, allowed="true, false")
        return _BOOLEANS[text.lower()]
    if kind == "str":
        return text
    whole = kind == "int"
    low, high = _RANGES.get(key, (1 if whole else _SMALLEST_POSITIVE, math.inf))
    value = _number(text, where, low, high, whole=whole)
    return int(value) if whole else value


def _read_pool(path: Path) -> tuple[GpuType, ...]:
    rows = _rows(path)
    if not rows or rows[0][1] != _POOL_COLUMNS:
        raise HarnessError(
            "the first line is not the header", where=str(path), allowed=",".join(_POOL_COLUMNS)
        )
    pool: list[GpuType] = []
    for place, row in rows[1:]:
        if len(row) != len(_POOL_COLUMNS):
            raise HarnessError(f"{len(row)} cells in a row", where=place, allowed=",".join(_POOL_COLUMNS))
        name = row[0]
        if name not in GPU_SPECS:
            raise _unknown(name, list(GPU_SPECS), "gpu_type", place)
        if any(gpu.name == name for gpu in pool):
            raise HarnessError(
                f"gpu_type {name!r} has two rows", where=place, next_step="add up their counts"
            )
        count = int(_number(row[1], f"{place}, count", 0, whole=True))
        memory = _number(row[2], f"{place}, memory_gb", _SMALLEST_POSITIVE)
        pool.append(GpuType(name, count, memory, _number(row[3], f"{place}, dollar_per_hour", 0)))
    if not any(gpu.count for gpu in pool):
        raise HarnessError("the pool holds no GPU", where=str(path), next_step="add a row per GPU type")
    return tuple(pool)


def _read_bandwidth(path: Path, gpus: int) -> NDArray[np.float64]:
    rows = _rows(path)
    shape = f"{gpus} x {gpus}, one row and column per GPU of gpu_pool.csv, with gpu_0, gpu_1, ... as names"
    names = [f"gpu_{i}" for i in range(gpus)]
    header, body = (rows[0][1][1:], rows[1:]) if rows else ([], [])
    if len(header) != gpus or len(body) != gpus:
        raise HarnessError(f"the matrix is {len(body)} x {len(header)}", where=str(path), allowed=shape)
    matrix = np.empty((gpus, gpus))
    for i, (place, row) in enumerate(body):
        if len(row) != gpus + 1:
            raise HarnessError(f"{len(row) - 1} values in row {row[0]!r}", where=place, allowed=shape)
        if row[0] != names[i] or header[i] != names[i]:
            found = row[0] if row[0] != names[i] else header[i]
            raise HarnessError(f"{found!r} where {names[i]!r} belongs", where=place, allowed=shape)
        for j, text in enumerate(row[1:]):
            matrix[i, j] = _number(text, f"{place}, row {names[i]}, column {names[j]}", _SMALLEST_POSITIVE)
    matrix.flags.writeable = False
    return matrix
