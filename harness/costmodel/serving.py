"""A model on a row of the matrix under an engine's settings: what fits, step time, who is served when.

Everything here is modelled. The defaults are the container settings that prompt-optimizers.md documents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.costmodel.capacity import GIB, Capacity, MemorySettings, capacity, explain
from harness.costmodel.constants import Constants
from harness.costmodel.devices import device_from_row
from harness.costmodel.formats import WeightFormat, weight_format
from harness.costmodel.precision import precision_of
from harness.costmodel.shapes import ModelShape
from harness.costmodel.simulation import (
    ClosedLoop,
    Requests,
    SchedulerRules,
    Served,
    simulate_continuous,
    vllm_rules,
)
from harness.costmodel.steptime import SERVING_ENGINE, Deployment, RooflineStepTime
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row

DRIVER_GIB = 0.5
"""What nvidia-smi counts and the driver keeps, per GPU: 0.43 to 0.85 GiB on a T4, L4, A100 and H100."""

# Keys of a row's serving table that are a setting as they stand.
_DOCUMENTED = {
    "max_model_len_tokens": "max_model_len",
    "gpu_memory_utilization_ratio": "gpu_memory_utilization",
    "max_num_batched_tokens": "max_batched_tokens",
    "enable_chunked_prefill": "chunked_prefill",
    "enable_prefix_caching": "prefix_caching",
    "tensor_parallel": "tensor_parallel",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """One engine on one row, with vLLM's scheduler. `engine` names the host side of a step (`steptime`)."""

    shape: ModelShape
    weights: WeightFormat
    row: Row
    max_model_len: int = 4096
    gpu_memory_utilization: float = 0.95
    max_sequences: int = 64
    max_batched_tokens: int = 16384
    chunked_prefill: bool = True
    prefix_caching: bool = True
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    block_tokens: int = 16
    kv_bits: float = 16.0
    engine: str = SERVING_ENGINE


def documented(shape: ModelShape, weights: str, row: Row) -> Serving:
    """The settings that the row's serving table documents, the container settings where it has none.

    HarnessError for a weight format that does not exist.
    """
    table = row.serving
    settings = {field: table[key] for key, field in _DOCUMENTED.items() if key in table}
    if "max_num_seqs_range" in table:
        settings["max_sequences"] = max(table["max_num_seqs_range"])
    return replace(Serving(shape, weight_format(weights, shape), row), **settings)


def device_memory_bytes(row: Row) -> int:
    """What a program may use of one GPU: the row's own figure, else nvidia-smi's less `DRIVER_GIB`."""
    stated = row.serving.get("usable_memory_gib")
    return int(GIB * (row.memory_gib - DRIVER_GIB if stated is None else stated))


def capacity_of(serving: Serving) -> Capacity:
    """KV blocks and the maximum concurrency that the engine would report."""
    return capacity(
        serving.shape,
        serving.weights,
        MemorySettings(
            memory_bytes=device_memory_bytes(serving.row),
            max_model_len=serving.max_model_len,
            gpu_memory_utilization=serving.gpu_memory_utilization,
            block_tokens=serving.block_tokens,
            kv_bits=serving.kv_bits,
            tensor_parallel=serving.tensor_parallel,
            pipeline_parallel=serving.pipeline_parallel,
            max_num_batched_tokens=serving.max_batched_tokens,
            max_num_seqs=serving.max_sequences,
        ),
    )


def step_time_of(serving: Serving, constants: Constants | None = None) -> RooflineStepTime:
    """Step time on the row's GPUs, by `constants` or those that are shipped."""
    deployment = Deployment(
        serving.shape,
        precision_of(serving.weights, serving.kv_bits),
        device_from_row(serving.row),
        serving.tensor_parallel,
        serving.pipeline_parallel,
    )
    return RooflineStepTime(deployment, engine=serving.engine, constants=constants)


def rules_of(serving: Serving) -> SchedulerRules:
    """vLLM's rules with these limits."""
    return vllm_rules(
        serving.max_batched_tokens,
        serving.max_sequences,
        block_tokens=serving.block_tokens,
        chunked_prefill=serving.chunked_prefill,
        prefix_caching=serving.prefix_caching,
    )


def usable_blocks(serving: Serving) -> int:
    """Blocks that requests may hold, counted for whole sequences: all but the engine's own null block.

    A model that mixes full and sliding layers holds blocks of several kinds; as many whole sequences are
    counted as its concurrency allows.
    HarnessError (exit 3) where the model does not fit, or not one request of max_model_len tokens.
    """
    found = capacity_of(serving)
    if not found.fits:
        raise HarnessError(
            f"{serving.shape.name} with {serving.weights.name} weights {explain(found)}",
            where=serving.row.name,
            next_step="take fewer bits per weight, a shorter max_model_len or more GPUs",
            exit_code=EXIT_INFEASIBLE,
        )
    whole = math.ceil(serving.max_model_len / found.block_tokens)
    return max(1, (found.blocks - 1) * whole // found.blocks_per_request)


def serve(
    serving: Serving,
    requests: Requests,
    *,
    closed: ClosedLoop | None = None,
    constants: Constants | None = None,
) -> Served:
    """What becomes of the requests; HarnessError (exit 3) where the model does not fit."""
    return simulate_continuous(
        requests,
        rules_of(serving),
        blocks=usable_blocks(serving),
        step_time=step_time_of(serving, constants),
        closed=closed,
    )
