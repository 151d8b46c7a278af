"""Read `gpu_pool.csv`: one row per GPU type, with figures of its own where the table has none."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError
from harness.placement.inputs.table_file import POSITIVE, number, table, unknown
from harness.placement.problem import GpuSpec, GpuType
from harness.placement.rates import GPU_SPECS

POOL_COLUMNS = ["gpu_type", "count", "memory_gb", "dollar_per_hour"]
SPEC_COLUMNS = ["tflops", "memory_gb_per_s", "efficiency"]

_MOST_GPUS = 1_000_000


def read_pool(path: Path, missing: str) -> tuple[GpuType, ...]:
    """The GPU types in `path`; HarnessError names the line and the column of a mistake.

    `tflops`, `memory_gb_per_s` and `efficiency` come together: columns after the others, filled in
    for a type that `GPU_SPECS` lacks or describes otherwise, empty for one that it describes.
    """
    pool: dict[str, GpuType] = {}
    for place, cells in table(path, missing, [POOL_COLUMNS, POOL_COLUMNS + SPEC_COLUMNS]):
        name = cells["gpu_type"]
        if name in pool:
            raise HarnessError(
                f"gpu_type {name!r} has two rows", where=place, next_step="add up their counts"
            )
        spec = _spec(cells, place)
        if spec is None and name not in GPU_SPECS:
            columns = ", ".join(SPEC_COLUMNS)
            raise unknown(name, GPU_SPECS, "gpu_type", place, f"a type of your own needs {columns}")
        if not name:
            raise HarnessError("a type without a name", where=f"{place}, gpu_type")
        pool[name] = GpuType(
            name=name,
            count=int(number(cells["count"], f"{place}, count", 0, _MOST_GPUS, whole=True)),
            memory_gb=number(cells["memory_gb"], f"{place}, memory_gb", POSITIVE),
            usd_per_hour=number(cells["dollar_per_hour"], f"{place}, dollar_per_hour", 0),
            spec=spec,
        )
    if not any(gpu.count for gpu in pool.values()):
        raise HarnessError("the pool holds no GPU", where=str(path), next_step="add a row per GPU type")
    return tuple(pool.values())


def _spec(cells: dict[str, str], place: str) -> GpuSpec | None:
    """The type's own figures; None where the columns are absent or all three empty."""
    if not any(cells.get(column) for column in SPEC_COLUMNS):
        return None
    return GpuSpec(
        tflops=number(cells["tflops"], f"{place}, tflops", POSITIVE),
        memory_gb_per_s=number(cells["memory_gb_per_s"], f"{place}, memory_gb_per_s", POSITIVE),
        efficiency=number(cells["efficiency"], f"{place}, efficiency", POSITIVE, 1),
    )
