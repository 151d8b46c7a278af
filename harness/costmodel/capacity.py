"""KV-cache blocks and maximum concurrency that vLLM would report, by its own arithmetic.

Restated from vLLM 0.32, vllm/v1/core/kv_cache_utils.py: `get_kv_cache_config_from_groups` (blocks = available
bytes // bytes of one block), `get_max_concurrency_for_kv_cache_config` (blocks / blocks of one request),
`_get_kv_cache_groups_uniform_page_size` (models that mix full and sliding-window layers) and
`get_kv_cache_configs` (the least over pipeline stages; one block is the engine's null block), with the specs
of v1/kv_cache_interface.py. What the engine would measure, weights and activations, is modelled (memory.py).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from harness.costmodel.formats import WeightFormat
from harness.costmodel.memory import (
    activation_bytes,
    kv_layer_bytes,
    layer_windows,
    require_split,
    stage_layers,
    weight_bytes,
)
from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError

GIB = 2**30
RUNTIME_OVERHEAD_BYTES = GIB // 2
"""What the engine takes per device beside weights, activations and KV cache: libraries' workspaces, CUDA
graphs, the allocator's rest. Modelled, not measured: the 1.5 GiB that the quoted run of Qwen3-4B on an L4
(16,384 tokens per step) leaves beside bf16 weights and 21 sequences, less the 1.0 GiB that memory.py gives
for its activations. Several GPUs add their communication buffers: state your own figure where you know it."""


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """The engine settings that decide what fits.

    `memory_bytes` is one device's memory as the driver gives it to programs (CUDA's total memory, 22.0 GiB
    on an L4), somewhat less than nvidia-smi prints. The other defaults are vLLM's for GPUs below 70 GiB.
    `hybrid_kv_cache` off gives every layer of a mixed model whole sequences. Raises HarnessError for a
    value out of range.
    """

    memory_bytes: int
    max_model_len: int
    gpu_memory_utilization: float = 0.92
    block_tokens: int = 16
    kv_bits: float = 16.0
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    max_num_batched_tokens: int = 2048
    max_num_seqs: int = 256
    overhead_bytes: int = RUNTIME_OVERHEAD_BYTES
    async_scheduling: bool = True
    hybrid_kv_cache: bool = True

    def __post_init__(self) -> None:
        least = {
            "memory_bytes": 1,
            "max_model_len": 1,
            "block_tokens": 1,
            "max_num_batched_tokens": 1,
            "max_num_seqs": 1,
            "overhead_bytes": 0,
        }
        for field, bound in least.items():
            if getattr(self, field) < bound:
                raise HarnessError(
                    f"is {getattr(self, field)}", where=field, allowed=f"a whole number from {bound}"
                )
        if not 0.0 < self.gpu_memory_utilization <= 1.0:
            raise HarnessError(
                f"is {self.gpu_memory_utilization}",
                where="gpu_memory_utilization",
                allowed="above 0, up to 1",
            )
        if not 0.0 < self.kv_bits < math.inf:
            raise HarnessError(f"is {self.kv_bits}", where="kv_bits", allowed="above 0")

    @property
    def in_flight_tokens(self) -> int:
        """Most tokens scheduled but not settled (vLLM, VllmConfig.max_in_flight_tokens)."""
        return (self.pipeline_parallel + self.async_scheduling) * self.max_num_batched_tokens


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one engine holds. Bytes are per device, on the pipeline stage that needs most of them.

    `blocks` of `block_tokens` tokens, the engine's own null block in; `max_concurrency` requests of
    max_model_len tokens, each of `blocks_per_request`; `tokens` = max_concurrency x max_model_len, as vLLM
    prints it. Where not even one request fits, blocks, tokens, concurrency and kv_bytes are 0 and
    `missing_bytes` says by how much; `longest_request_tokens` is the longest max_model_len, up to the one
    asked for, that would fit (0: none).
    """

    kv_bytes: int
    blocks: int
    block_tokens: int
    tokens: int
    max_concurrency: float
    blocks_per_request: int
    missing_bytes: int
    longest_request_tokens: int
    weight_bytes: int
    activation_bytes: int
    overhead_bytes: int

    @property
    def fits(self) -> bool:
        """Whether at least one request of max_model_len tokens fits."""
        return self.missing_bytes == 0


@dataclass(frozen=True, slots=True)
class KvGroup:
    """Layers that share one block table; `window` in tokens, 0 for whole sequences."""

    layers: tuple[int, ...]
    window: int

    def request_blocks(self, max_model_len: int, settings: MemorySettings) -> int:
        """Most blocks that one request holds.

        A window holds itself and what is in flight, and may begin inside a block: one more.
        """
        if not self.window:
            return math.ceil(max_model_len / settings.block_tokens)
        held = min(self.window - 1 + settings.in_flight_tokens, max_model_len)
        return math.ceil(held / settings.block_tokens) + 1


def kv_groups(shape: ModelShape, hybrid_kv_cache: bool = True) -> tuple[KvGroup, ...]:
    """The layers' block tables as vLLM forms them.

    One group where all layers are alike. Otherwise groups of as many layers as the rarer kind has (or of
    the commoner kind's number, where that is less than half more), padded: a block has one size for all.
    """
    windows, every = layer_windows(shape), tuple(range(shape.layers))
    sliding = tuple(layer for layer in every if windows[layer])
    full = tuple(layer for layer in every if not windows[layer])
    if not sliding or (full and not hybrid_kv_cache):
        return (KvGroup(every, 0),)
    if not full:
        return (KvGroup(every, shape.sliding_window),)
    size, most = min(len(full), len(sliding)), max(len(full), len(sliding))
    if most < 1.5 * size:
        size = most
    return tuple(
        KvGroup(layers[first::groups], window)
        for layers, window in ((full, 0), (sliding, shape.sliding_window))
        for groups in (math.ceil(len(layers) / size),)
        for first in range(groups)
    )


def stage_block_bytes(shape: ModelShape, settings: MemorySettings) -> tuple[int, ...]:
    """Bytes of one block on one device of each pipeline stage: its share of the widest group."""
    groups = kv_groups(shape, settings.hybrid_kv_cache)
    each = kv_layer_bytes(shape, settings.kv_bits, settings.tensor_parallel)
    page = math.ceil(each * settings.block_tokens)
    return tuple(
        page * max(sum(layer in layers for layer in group.layers) for group in groups)
        for layers in stage_layers(shape.layers, settings.pipeline_parallel)
    )


def capacity(shape: ModelShape, weights: WeightFormat, settings: MemorySettings) -> Capacity:
    """Blocks and concurrency on devices of `settings.memory_bytes`; a model that does not fit is an answer.

    Raises HarnessError where vLLM refuses to split the model over so many devices.
    """
    tensor, pipeline = settings.tensor_parallel, settings.pipeline_parallel
    require_split(shape, tensor, pipeline)
    held = weight_bytes(shape, weights, tensor, pipeline)
    active = activation_bytes(shape, settings.max_num_batched_tokens, settings.max_num_seqs, tensor)
    requested = math.ceil(settings.memory_bytes * settings.gpu_memory_utilization)
    available = [requested - stage - active - settings.overhead_bytes for stage in held]
    block_bytes = stage_block_bytes(shape, settings)
    groups = kv_groups(shape, settings.hybrid_kv_cache)

    def request_blocks(max_model_len: int) -> int:
        return sum(group.request_blocks(max_model_len, settings) for group in groups)

    # The pool keeps one block back that no request gets.
    per_request = request_blocks(settings.max_model_len)
    missing = [size * (per_request + 1) - free for size, free in zip(block_bytes, available, strict=True)]
    short = max(0, *missing)
    blocks = 0 if short else _whole_blocks(available, block_bytes)
    lengths = range(1, settings.max_model_len + 1)
    affordable = _whole_blocks(available, block_bytes) - 1
    concurrency = blocks / per_request
    return Capacity(
        kv_bytes=blocks * max(block_bytes),
        blocks=blocks,
        block_tokens=settings.block_tokens,
        tokens=int(concurrency * settings.max_model_len),
        max_concurrency=concurrency,
        blocks_per_request=per_request,
        missing_bytes=short,
        longest_request_tokens=bisect_right(lengths, affordable, key=request_blocks),
        weight_bytes=max(held),
        activation_bytes=active,
        overhead_bytes=settings.overhead_bytes,
    )


def _whole_blocks(available: Sequence[int], block_bytes: Sequence[int]) -> int:
    """The least over the stages: a request's blocks lie on all of them."""
    return max(0, min(free // size for free, size in zip(available, block_bytes, strict=True)))


def explain(capacity: Capacity) -> str:
    """One line for people."""
    c = capacity
    parts = (
        f"weights {c.weight_bytes / GIB:.2f} GiB, activations {c.activation_bytes / GIB:.2f} GiB, "
        f"overhead {c.overhead_bytes / GIB:.2f} GiB"
    )
    if not c.fits:
        longest = c.longest_request_tokens
        rest = f"; {longest:,} tokens would fit" if longest else ""
        return f"does not fit: {c.missing_bytes / GIB:.2f} GiB per device are missing ({parts}){rest}"
    return (
        f"{c.blocks:,} blocks of {c.block_tokens} tokens ({c.kv_bytes / GIB:.2f} GiB), "
        f"maximum concurrency {c.max_concurrency:.2f}x ({parts})"
    )
