"""What a hardware matrix holds: plain frozen data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import HarnessError
from harness.hardware.schema import closest
from harness.measure.spec import Clock

HOST_ROW = "cpu"
"""The row of the machine itself; every matrix has it, and host-only optimizations are measured on it."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Peak rates of one GPU without sparsity, in TFLOP/s (int8: TOP/s). 0: no unit for this type."""

    fp32_tflops: float
    bf16_tflops: float
    fp16_tflops: float
    fp8_tflops: float
    int8_tops: float


@dataclass(frozen=True, slots=True)
class Price:
    """On-demand price of the whole row in US dollars per hour, and where it comes from.

    `basis` is `list` (read in the provider's list on `date`), `derived` (computed from list prices)
    or `unverified` (commonly quoted, not read).
    """

    usd_per_hour: float
    date: str
    source: str
    basis: Literal["list", "derived", "unverified"]


@dataclass(frozen=True, slots=True)
class ExpectedWarning:
    """A warning that is normal on a row: a regular expression and why it is harmless."""

    pattern: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One hardware row.

    Memory, bandwidth, rates, multiprocessors and power limit are per GPU; `interconnect_gb_s` counts
    both directions. `serving`, `detection`, `extraction` and `quantization` are the raw tables of the
    file (keys as in the schema), empty where the row has none.
    """

    name: str
    title: str
    kind: Literal["host", "cuda"]
    architecture: str
    gpu_names: tuple[str, ...]
    gpus: int
    interconnect: str
    interconnect_gb_s: float
    memory_type: str
    memory_gib: float
    memory_bandwidth_gb_s: float
    dense: Rates
    capability: str
    multiprocessors: int
    power_limit_w: float
    price: Price
    clock: Clock
    isolated: bool
    sources: tuple[str, ...]
    expected_warnings: tuple[ExpectedWarning, ...]
    serving: Mapping[str, Any]
    detection: Mapping[str, Any]
    extraction: Mapping[str, Any]
    quantization: Mapping[str, Any]

    def why_harmless(self, message: str) -> str | None:
        """The reason why this warning is normal on this row; None when it is not expected."""
        return next(
            (entry.reason for entry in self.expected_warnings if re.search(entry.pattern, message)), None
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights one role uses on some rows.

    `location` is a path from the matrix's folder, or ORGANISATION/NAME on the Hugging Face hub;
    `file` one file of it (empty: all); `supply` the command that fetches it.
    """

    role: str
    system: str
    rows: tuple[str, ...]
    location: str
    file: str
    quantization: str
    engine: str
    parameters_billions: float
    supply: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every hardware row by name (in file order), and the checkpoints of every role.

    `digest` is a sha256 over the content, so that comments and spacing do not change it.
    """

    rows: Mapping[str, Row]
    models: Mapping[str, tuple[Checkpoint, ...]]
    path: Path
    digest: str

    def row(self, name: str) -> Row:
        """The row called `name`; raises HarnessError (exit 4) when there is none."""
        if name in self.rows:
            return self.rows[name]
        raise HarnessError(
            f"there is no hardware row {name!r}",
            where=str(self.path),
            allowed=", ".join(self.rows),
            next_step=closest(name, self.rows) or "take one of these or add a table of that name",
        )


def row_from(name: str, table: Mapping[str, Any]) -> Row:
    """A `Row` from its table, which has to satisfy the schema."""
    return Row(
        name=name,
        title=table["title"],
        kind=table["kind"],
        architecture=table["architecture"],
        gpu_names=tuple(table["gpu_names"]),
        gpus=table["gpus"],
        interconnect=table["interconnect"],
        interconnect_gb_s=float(table["interconnect_gb_s"]),
        memory_type=table["memory_type"],
        memory_gib=float(table["memory_gib"]),
        memory_bandwidth_gb_s=float(table["memory_bandwidth_gb_s"]),
        dense=Rates(**{key: float(value) for key, value in table["dense"].items()}),
        capability=table["compute_capability"],
        multiprocessors=table["multiprocessors"],
        power_limit_w=float(table["power_limit_w"]),
        price=Price(
            usd_per_hour=float(table["price_usd_per_hour"]),
            date=table["price_date"],
            source=table["price_source"],
            basis=table["price_basis"],
        ),
        clock=table["clock"],
        isolated=table["isolated"],
        sources=tuple(table["sources"]),
        expected_warnings=tuple(ExpectedWarning(**entry) for entry in table.get("expected_warnings", ())),
        serving=table.get("serving", {}),
        detection=table.get("detection", {}),
        extraction=table.get("extraction", {}),
        quantization=table.get("quantization", {}),
    )


def checkpoint_from(role: str, entry: Mapping[str, Any]) -> Checkpoint:
    """A `Checkpoint` from one entry of `[[models.ROLE]]`, which has to satisfy the schema."""
    return Checkpoint(
        role=role,
        system=entry["system"],
        rows=tuple(entry["rows"]),
        location=entry["checkpoint"],
        file=entry.get("file", ""),
        quantization=entry["quantization"],
        engine=entry["engine"],
        parameters_billions=float(entry["parameters_billions"]),
        supply=entry["supply"],
    )
