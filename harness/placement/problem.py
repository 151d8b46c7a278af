"""The placement problem as frozen data: a model's shape, a pool of priced GPUs, the links between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NO_BUDGET_USD_PER_HOUR = 999.0


@dataclass(frozen=True, slots=True)
class Config:
    """`config.csv`: one field per parameter; fields without a default must be in the file.

    Memory is in GB as the vendors print it, costs in USD. `max_hourly_cost` at or above 999 means
    no budget. `cost_throughput_weight` is 0 for throughput alone and 1 for cost alone.
    """

    model_name: str
    sequence_length: int
    batch_size: int
    num_decoder_layers: int
    d_model: int
    layer_weight_memory_gb: float
    bytes_per_element: int
    d_hidden: int = 0
    vocab_size: int = 0
    num_attention_heads: int = 0
    time_limit_seconds: float = 300.0
    optimality_gap: float = 0.05
    enable_segment_quantization: bool = True
    max_pipeline_stages: int = 8
    min_layers_per_stage: int = 5
    min_memory_utilization: float = 0.5
    network_bandwidth_percentile_threshold: float = 0.1
    cost_throughput_weight: float = 0.95
    max_hourly_cost: float = NO_BUDGET_USD_PER_HOUR
    max_cost_per_token: float = 0.002
    throughput_normalization: float = 10000.0
    cost_normalization: float = 1.0

    @property
    def budget_usd_per_hour(self) -> float:
        """The most a plan may cost per hour; infinite when the config sets no budget."""
        return self.max_hourly_cost if self.max_hourly_cost < NO_BUDGET_USD_PER_HOUR else float("inf")


@dataclass(frozen=True, slots=True)
class GpuType:
    """One row of `gpu_pool.csv`: `count` equal GPUs, `usd_per_hour` each."""

    name: str
    count: int
    memory_gb: float
    usd_per_hour: float


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What to place and where.

    GPUs are numbered 0.. through the pool in row order; `bandwidth_gb_per_s[i, j]` is the link from
    GPU i to GPU j, shape (GPUs, GPUs), read-only.
    Two problems are equal only if they are the same object.
    """

    config: Config
    pool: tuple[GpuType, ...]
    bandwidth_gb_per_s: NDArray[np.float64] = field(repr=False)

    @property
    def layers(self) -> int:
        """Decoder layers to cover."""
        return self.config.num_decoder_layers

    @property
    def first_gpus(self) -> tuple[int, ...]:
        """Number of the first GPU of each type, in pool order."""
        firsts, total = [], 0
        for gpu_type in self.pool:
            firsts.append(total)
            total += gpu_type.count
        return tuple(firsts)
