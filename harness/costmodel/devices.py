"""The GPUs that step times are computed for: peak rates from a matrix row or from the data sheets' table."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from harness.errors import HarnessError
from harness.hardware.rows import Row
from harness.hardware.schema import closest

Compute = Literal["fp32", "fp16", "bf16", "fp8", "int8"]

# What people and nvidia-smi write around a GPU's name.
_FILLERS = re.compile(
    r"^(nvidia|tesla|geforce|quadro|tensor|core|gpu|sxm\d?|hbm\d?e?|gddr\d?x?|pcie4|pcie5)$", re.ASCII
)
_SLOT_POWER_W = 75.0


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU: peak rates in FLOP/s without sparsity, memory and links in bytes/s.

    `link_bytes_per_s` is one direction between two GPUs, 0 without a link. `rates` has no entry for a type
    that the hardware cannot multiply. `source` says where the figures were published.
    """

    name: str
    architecture: str
    memory_type: str
    memory_bytes_per_s: float
    rates: Mapping[Compute, float]
    multiprocessors: int
    cache_bytes: float
    power_limit_w: float
    link_bytes_per_s: float
    link: str
    source: str

    @property
    def slot_powered(self) -> bool:
        """A card that lives on the slot's 75 W: it throttles long before its peak rate."""
        return 0.0 < self.power_limit_w <= _SLOT_POWER_W

    @property
    def stacked_memory(self) -> bool:
        """HBM, not GDDR."""
        return self.memory_type.startswith("HBM")

    def rate(self, wanted: Compute) -> tuple[Compute, float]:
        """The type that products of `wanted` inputs run in here, and its peak in FLOP/s.

        A GPU without the type computes in fp16 (T4 and V100 have no bf16, A100 no fp8), one without tensor
        cores in fp32. Raises HarnessError for a device without any rate.
        """
        order: tuple[Compute, ...] = (wanted, "bf16", "fp16", "fp32")
        for kind in order:
            if self.rates.get(kind, 0.0) > 0.0:
                return kind, self.rates[kind]
        raise HarnessError(
            f"the device {self.name!r} has no peak rate",
            allowed="at least one rate above 0",
            next_step="add its dense rates to the hardware matrix",
        )


def device_from_row(row: Row) -> Device:
    """The GPU of a matrix row."""
    tops = (row.dense.fp32_tflops, row.dense.fp16_tflops, row.dense.bf16_tflops)
    kinds: tuple[Compute, ...] = ("fp32", "fp16", "bf16", "fp8", "int8")
    figures = dict(zip(kinds, (*tops, row.dense.fp8_tflops, row.dense.int8_tops), strict=True))
    return Device(
        name=row.name,
        architecture=row.architecture,
        memory_type=row.memory_type,
        memory_bytes_per_s=row.memory_bandwidth_gb_s * 1e9,
        rates={kind: figure * 1e12 for kind, figure in figures.items() if figure > 0.0},
        multiprocessors=row.multiprocessors,
        cache_bytes=_cache_bytes(row.name),
        power_limit_w=row.power_limit_w,
        link_bytes_per_s=row.interconnect_gb_s * 1e9 / 2.0,
        link=row.interconnect,
        source=f"hardware matrix, row {row.name}",
    )


def find_device(name: str, rows: Mapping[str, Row]) -> Device:
    """The GPU called `name`: a matrix row, one of its nvidia-smi names, a common spelling or an alias.

    Raises HarnessError that lists every name.
    """
    wanted = compact(name)
    table = _data_sheets()
    aliases: dict[str, str] = table["aliases"]
    wanted = aliases.get(wanted, wanted)
    by_name = {compact(row): row for row in rows if rows[row].kind == "cuda"}
    if wanted in by_name:
        return device_from_row(rows[by_name[wanted]])
    for row in rows.values():
        if any(re.fullmatch(pattern, name) for pattern in row.gpu_names):
            return device_from_row(row)
    others = {compact(key): key for key in table["devices"]}
    if wanted in others:
        return _from_table(others[wanted], table["devices"][others[wanted]])
    known = [*by_name.values(), *table["devices"]]
    raise HarnessError(
        f"there is no GPU {name!r}",
        allowed=", ".join(sorted(known)),
        next_step=closest(wanted, known) or "add a table for it to the hardware matrix",
    )


def compact(name: str) -> str:
    """`NVIDIA A100-SXM4-80GB` as `a10080gb`: lower case, no vendor, socket or separators."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word and not _FILLERS.match(word)]
    return "".join(re.sub(r"^(\d+)gi?b?$", r"\1gb", word) for word in words)


@functools.cache
def _data_sheets() -> dict[str, Any]:
    text = resources.files("harness.costmodel").joinpath("devices.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _cache_bytes(name: str) -> float:
    """Second-level cache; rows of a user's own get the smallest of the table."""
    mib: dict[str, float] = _data_sheets()["second_level_cache_mib"]
    return float(mib.get(name, min(mib.values()))) * 2.0**20


def _from_table(name: str, entry: Mapping[str, Any]) -> Device:
    return Device(
        name=name,
        architecture=entry["architecture"],
        memory_type=entry["memory_type"],
        memory_bytes_per_s=entry["memory_bandwidth_gb_s"] * 1e9,
        rates={kind: figure * 1e12 for kind, figure in entry["tflops"].items()},
        multiprocessors=entry["multiprocessors"],
        cache_bytes=_cache_bytes(name),
        power_limit_w=float(entry["power_limit_w"]),
        link_bytes_per_s=entry["interconnect_gb_s"] * 1e9 / 2.0,
        link=entry["interconnect"],
        source=entry["source"],
    )
