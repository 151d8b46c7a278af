"""The placement problem as frozen data: a model's shape, a pool of priced GPUs, the links between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NO_BUDGET_USD_PER_HOUR = 999.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Config:
    """`config.csv`: one field per parameter; fields without a default must be in the file.

    Memory is in GB as the vendors print it, costs in USD. `max_hourly_cost` at or above 999 means
    no budget. `cost_throughput_weight` is 0 for throughput alone and 1 for cost alone. Empty
    `segment_sizes` and `budget_factors` leave the choice to the method. `output_length` (tokens per
    request) and `num_key_value_heads` (0: from the model's name) count for corrected rates only.
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
    segment_sizes: tuple[int, ...] = ()
    budget_factors: tuple[float, ...] = ()
    num_key_value_heads: int = 0
    output_length: int = 256

    @property
    def budget_usd_per_hour(self) -> float:
        """The most a plan may cost per hour; infinite when the config sets no budget."""
        return self.max_hourly_cost if self.max_hourly_cost < NO_BUDGET_USD_PER_HOUR else float("inf")


def tokens_per_s_per_usd(cost_weight: float, config: Config) -> float:
    """What a USD/h is worth in tokens/s: w / (1 - w) after both are normalised; infinite at weight 1."""
    if cost_weight == 1:
        return math.inf
    return cost_weight / (1 - cost_weight) * config.throughput_normalization / config.cost_normalization


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """Dense half-precision peak, memory bandwidth, and the fraction of the peak that is reached."""

    tflops: float
    memory_gb_per_s: float
    efficiency: float


@dataclass(frozen=True, slots=True)
class GpuType:
    """One row of `gpu_pool.csv`: `count` equal GPUs, `usd_per_hour` each.

    Without a `spec` of its own the type is one of `rates.GPU_SPECS`, by name.
    """

    name: str
    count: int
    memory_gb: float
    usd_per_hour: float
    spec: GpuSpec | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What to place and where.

    GPUs are numbered 0.. through the pool in row order. `bandwidth_gb_per_s[i, j]` is the link from
    i to j, where i and j are GPUs or, in a matrix of that size, types of the pool; read-only.
    Two problems are equal only if they are the same object.
    """

    config: Config
    pool: tuple[GpuType, ...]
    bandwidth_gb_per_s: Floats = field(repr=False)

    @property
    def layers(self) -> int:
        """Decoder layers to cover."""
        return self.config.num_decoder_layers

    @property
    def gpus(self) -> int:
        """GPUs in the pool."""
        return sum(gpu.count for gpu in self.pool)

    @property
    def first_gpus(self) -> tuple[int, ...]:
        """Number of the first GPU of each type, in pool order."""
        firsts, total = [], 0
        for gpu_type in self.pool:
            firsts.append(total)
            total += gpu_type.count
        return tuple(firsts)

    def gpu_bandwidth(self) -> Floats:
        """GB/s from GPU to GPU, shape (GPUs, GPUs): large for large pools."""
        if len(self.bandwidth_gb_per_s) == self.gpus:
            return self.bandwidth_gb_per_s
        counts = [gpu.count for gpu in self.pool]
        return self.bandwidth_gb_per_s.repeat(counts, axis=0).repeat(counts, axis=1)

    def type_bandwidth(self) -> tuple[Floats, Floats]:
        """(slowest, fastest) GB/s of any link from type to type, each of shape (types, types).

        Infinite where there is no such link: to or from a type without GPUs, inside one with a single GPU.
        """
        matrix = self.bandwidth_gb_per_s
        if len(matrix) != self.gpus:
            counts = np.array([gpu.count for gpu in self.pool])
            linked = (np.minimum.outer(counts, counts) > 0) & ~np.diag(counts == 1)
            matrix = np.where(linked, matrix, np.inf)
            return matrix, matrix
        slowest = np.full((len(self.pool), len(self.pool)), np.inf)
        fastest = slowest.copy()
        blocks = [
            slice(first, first + gpu.count) for first, gpu in zip(self.first_gpus, self.pool, strict=True)
        ]
        for i, rows in enumerate(blocks):
            for j, columns in enumerate(blocks):
                block = matrix[rows, columns]
                links = block[~np.eye(len(block), dtype=np.bool_)] if i == j else block
                if links.size:
                    slowest[i, j], fastest[i, j] = links.min(), links.max()
        return slowest, fastest
