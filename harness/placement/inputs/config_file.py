"""Read `config.csv`: one row per parameter of `Config`."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.placement.inputs.table_file import LARGEST, POSITIVE, number, table, unknown
from harness.placement.problem import Config

_BOOLEANS = {"true": True, "false": False}

_MOST_WHOLE = 1e9

# Smallest and largest value of each number, where it is not simply 1 and more for a whole number and
# above 0 for any other.
_RANGES: dict[str, tuple[float, float]] = {
    "num_decoder_layers": (1, 10_000),
    "d_hidden": (0, _MOST_WHOLE),
    "vocab_size": (0, _MOST_WHOLE),
    "num_attention_heads": (0, _MOST_WHOLE),
    "num_key_value_heads": (0, _MOST_WHOLE),
    "output_length": (0, _MOST_WHOLE),
    "optimality_gap": (0, 1),
    "min_memory_utilization": (0, 1),
    "network_bandwidth_percentile_threshold": (0, 1),
    "cost_throughput_weight": (0, 1),
}


def read_config(path: Path, missing: str) -> Config:
    """The parameters in `path`; HarnessError names the line and the parameter of a mistake."""
    fields = {field.name: field for field in dataclasses.fields(Config)}
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for place, cells in table(path, missing, [["parameter", "value"]]):
        key = cells["parameter"]
        if key not in fields:
            raise unknown(key, fields, "parameter", place)
        if key in values:
            raise HarnessError(f"parameter {key!r} is given twice", where=place, next_step="keep one")
        places[key] = f"{place}, {key}"
        values[key] = _value(key, str(fields[key].type), cells["value"], places[key])
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise HarnessError(f"parameter {name!r} is missing", where=str(path), next_step="add its row")
    config = Config(**values)
    _require_within_model(config, path, places)
    return config


def _require_within_model(config: Config, path: Path, places: dict[str, str]) -> None:
    """No stage is asked to be larger than the model."""
    layers = config.num_decoder_layers
    for key, sizes in (
        ("min_layers_per_stage", (config.min_layers_per_stage,)),
        ("segment_sizes", config.segment_sizes),
    ):
        for size in sizes:
            if size > layers:
                raise HarnessError(
                    f"{key} is {size}" if len(sizes) == 1 else f"{key} has {size}",
                    where=places.get(key, str(path)),
                    allowed=f"1 to num_decoder_layers = {layers}",
                    next_step="" if key in places else "that is the default, so add a row of your own",
                )


def _value(key: str, kind: str, text: str, where: str) -> object:
    if kind == "bool":
        if text.lower() not in _BOOLEANS:
            raise HarnessError(f"{text!r} is not allowed", where=where, allowed="true, false")
        return _BOOLEANS[text.lower()]
    if kind == "str":
        return text
    if kind.startswith("tuple["):
        return _values(key, "int" if kind == "tuple[int, ...]" else "float", text, where)
    whole = kind == "int"
    low, high = _RANGES.get(key, (1, _MOST_WHOLE) if whole else (POSITIVE, LARGEST))
    value = number(text, where, low, high, whole=whole)
    return int(value) if whole else value


def _values(key: str, kind: str, text: str, where: str) -> tuple[object, ...]:
    """Values between spaces or semicolons, in their order; none for an empty cell."""
    values = tuple(_value(key, kind, part, where) for part in re.split(r"[;\s]+", text) if part)
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise HarnessError(f"{twice[0]} is given twice", where=where, next_step="keep one")
    return values
