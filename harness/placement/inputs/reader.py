"""Read a problem from its directory: `config.csv`, `gpu_pool.csv`, `network_bandwidth.csv`."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError
from harness.placement.inputs.bandwidth_file import read_bandwidth
from harness.placement.inputs.config_file import read_config
from harness.placement.inputs.pool_file import read_pool
from harness.placement.problem import Config, GpuType, Problem
from harness.placement.segments import TP_DEGREES

CONFIG, POOL, BANDWIDTH = "config.csv", "gpu_pool.csv", "network_bandwidth.csv"

_MISSING = f"a problem directory holds {CONFIG}, {POOL} and {BANDWIDTH}"


def read_problem(directory: Path) -> Problem:
    """The problem in `directory`; HarnessError names file, line, column and what is allowed."""
    config = read_config(directory / CONFIG, _MISSING)
    pool = read_pool(directory / POOL, _MISSING)
    _require_room(config, pool, directory / POOL)
    return Problem(config, pool, read_bandwidth(directory / BANDWIDTH, pool, _MISSING))


def _require_room(config: Config, pool: tuple[GpuType, ...], path: Path) -> None:
    """Some group of GPUs holds the weights of one layer; else a figure of the config or the pool is wrong."""
    room = {
        gpu.name: gpu.memory_gb * max(tp for tp in TP_DEGREES if tp <= gpu.count) for gpu in pool if gpu.count
    }
    largest = max(room, key=lambda name: room[name])
    if room[largest] < config.layer_weight_memory_gb:
        raise HarnessError(
            f"one layer of {config.layer_weight_memory_gb:g} GB fits on no group of GPUs; "
            f"the largest, of {largest}, has {room[largest]:g} GB",
            where=f"{path}, memory_gb",
            allowed=f"{config.layer_weight_memory_gb:g} GB or more on {TP_DEGREES[-1]} GPUs of one type",
            next_step="check layer_weight_memory_gb",
        )
