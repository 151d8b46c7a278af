"""Step time by operator-level roofline (Williams, Waterman & Patterson 2009), with a smooth knee.

Each operator takes (m^4 + c^4)^(1/4) of its memory time m and its compute time c, which is never less than
either; operators of a step follow one another. An eager engine's host launches the kernels meanwhile, and
the same smooth maximum joins both. All times are modelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.costmodel import operators as ops
from harness.costmodel.constants import (
    Constants,
    EngineConstants,
    GpuConstants,
    SharedConstants,
    load_constants,
)
from harness.costmodel.devices import Device
from harness.costmodel.load import StepLoad
from harness.costmodel.operators import Operator
from harness.costmodel.precision import Precision
from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError

Floats = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)

LINK_KINDS = ("all_reduce", "transfer")
LAYER_ENGINE = "kernels"
"""The engine that adds nothing: times of the layers alone."""
EAGER_ENGINE = "eager"
"""Engines whose host launches every layer, as those of the request-time data did."""
SERVING_ENGINE = "graphs"
"""Engines that replay captured graphs, as current ones do."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model on devices: `tensor_parallel` GPUs split every layer, `pipeline_parallel` groups the layers.

    Raises HarnessError for degrees below 1, for more devices than heads or stages than layers, and for
    several devices without a link. What an engine refuses to split besides is `memory.require_split`.
    """

    shape: ModelShape
    precision: Precision
    device: Device
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    head: bool = True

    def __post_init__(self) -> None:
        for name, degree, most in (
            ("tensor", self.tensor_parallel, self.shape.heads),
            ("pipeline", self.pipeline_parallel, self.shape.layers),
        ):
            if not 1 <= degree <= most:
                raise HarnessError(
                    f"{name} parallelism is {degree}", allowed=f"1 to {most} for {self.shape.name}"
                )
        if self.tensor_parallel * self.pipeline_parallel > 1 and not self.device.link_bytes_per_s > 0.0:
            raise HarnessError(
                f"{self.device.name} has no link to another device",
                allowed="tensor and pipeline parallelism of 1",
                next_step="take a device with an interconnect",
            )


@dataclass(frozen=True, slots=True)
class Rates:
    """What a deployment reaches: bytes/s, FLOP/s and fixed times, after the efficiency constants."""

    memory: float
    packed_memory: float
    matmul: float
    packed_matmul: float
    plain_matmul: float
    attention: float
    link: float
    link_latency_s: float
    kernel_s: float
    separate_bytes: float


def effective_rates(deployment: Deployment, gpu: GpuConstants, shared: SharedConstants) -> Rates:
    """The rates of `deployment`; LM head and routers are multiplied in 16 bits whatever the weights are."""
    device, precision = deployment.device, deployment.precision
    kind, peak = device.rate(precision.compute)
    plain = device.rate("bf16" if precision.compute != "fp32" else "fp32")[1] * gpu.compute
    memory = device.memory_bytes_per_s * gpu.bandwidth
    matmul = peak * gpu.compute * (shared.narrow_compute if kind in ("fp8", "int8") else 1.0)
    # Weights in a type that the hardware cannot multiply are unpacked in the product's kernel.
    unpacked = precision.unpacking == "grouped" or (
        precision.compute in ("fp8", "int8") and kind != precision.compute
    )
    separate = precision.unpacking == "separate"
    latency = shared.all_reduce_latency_s["nvlink" if device.link.startswith("NVLink") else "pcie"]
    fraction = shared.grouped_bandwidth if unpacked else shared.separate_bandwidth if separate else 1.0
    return Rates(
        memory=memory,
        packed_memory=memory * fraction,
        matmul=matmul,
        packed_matmul=matmul * (shared.grouped_compute if unpacked else 1.0),
        plain_matmul=plain,
        attention=plain * shared.attention,
        link=max(device.link_bytes_per_s * shared.all_reduce, 1.0),
        link_latency_s=latency,
        kernel_s=shared.kernel_s,
        separate_bytes=shared.separate_bytes_per_weight if separate else 0.0,
    )


def soft_maximum(first: Number, second: Number) -> Number:
    """(a^4 + b^4)^(1/4): at least the larger, at most 19 % more. Roots only, so scalars and arrays agree."""
    a, b = first * first, second * second
    total = a * a + b * b
    if isinstance(total, np.ndarray):
        return np.sqrt(np.sqrt(total))
    return math.sqrt(math.sqrt(total))


def operator_seconds(operator: Operator, rates: Rates) -> float:
    """Time of all repeats of one operator."""
    return operator.repeats * (soft_maximum(*roofline_terms(operator, rates)) + gap_s(operator, rates))


def gap_s(operator: Operator, rates: Rates) -> float:
    """Time before the operator's work starts: a kernel, or a message to other devices."""
    return rates.kernel_s + (rates.link_latency_s if operator.kind in LINK_KINDS else 0.0)


def roofline_terms(operator: Operator, rates: Rates) -> tuple[float, float]:
    """(memory or link time, compute time) of the operator once."""
    if operator.kind in LINK_KINDS:
        return operator.bytes / rates.link, 0.0
    if operator.kind == "elementwise":
        return operator.bytes / rates.memory, 0.0
    if operator.kind == "attention":
        return operator.bytes / rates.memory, operator.padded_flops / rates.attention
    if not operator.weights:
        return operator.bytes / rates.memory, operator.padded_flops / rates.plain_matmul
    if rates.separate_bytes and operator.rows > 1.0:
        moved = operator.bytes + operator.weights * rates.separate_bytes
        return moved / rates.memory, operator.padded_flops / rates.matmul
    return operator.bytes / rates.packed_memory, operator.padded_flops / rates.packed_matmul


class RooflineStepTime:
    """A `StepTime` for a deployment under an engine. Immutable but for its memory of token counts.

    `gpu` says which constants it uses and how far to trust them, `version` names the set.
    """

    def __init__(
        self, deployment: Deployment, *, engine: str = SERVING_ENGINE, constants: Constants | None = None
    ) -> None:
        chosen = load_constants() if constants is None else constants
        self.deployment = deployment
        self.engine: EngineConstants = chosen.engine(engine)
        self.version: str = chosen.version
        self.gpu: GpuConstants = chosen.gpu(deployment.device)
        self.rates = effective_rates(deployment, self.gpu, chosen.shared)
        self._wave_loss = chosen.shared.wave_loss
        shape = deployment.shape
        degree, precision = deployment.tensor_parallel, deployment.precision
        self._matmuls = ops.layer_matmuls(shape, degree)
        self._head = ops.head_matmul(shape, degree)
        self._kv_s = ops.kv_bytes_per_token(shape, precision, degree) / self.rates.memory
        self._query_s = ops.query_bytes(shape, 1, precision, degree) / self.rates.memory
        self._pair_s = ops.pair_flops(shape, degree) / self.rates.attention
        self._windows = ops.windows(shape)
        self._host_s = shape.layers * self.gpu.launch_s if self.engine.launches else 0.0
        self._by_tokens: dict[int, float] = {}
        self._by_sequences: dict[int, float] = {}

    def operators(self, load: StepLoad) -> list[Operator]:
        """Every operator of the step, with its FLOPs and bytes on one device; none without tokens."""
        d = self.deployment
        if not load.tokens:
            return []
        attention = ops.attention_operators(d.shape, load, d.precision, d.tensor_parallel)
        return [*self._token_operators(load.tokens), *self._head_operators(load.sequences), *attention]

    def seconds(self, load: StepLoad) -> float:
        """Time of one step; 0 for a load without tokens."""
        if load.tokens == 0:
            return 0.0
        device_s = self._tokens_s(load.tokens) + self._head_s(load.sequences)
        if load.prefill_tokens:
            device_s += self._prefill_attention_s(load)
        if load.decode_sequences:
            device_s += self._decode_attention_s(load.decode_sequences, float(load.decode_context_tokens))
        added = self.engine.step_s + self.engine.sequence_s * load.decode_sequences
        if load.prefill_tokens:
            added += self.engine.prefill_s
        return soft_maximum(device_s, self._host_s) + added

    def decode_seconds(self, sequences: int, context_tokens: int, steps: int) -> Floats:
        """Times of `steps` successive decode-only steps, shape (steps,); equal to `seconds` of each."""
        if sequences == 0:
            return np.zeros(steps)
        context: Floats = context_tokens + float(sequences) * np.arange(steps, dtype=np.float64)
        fixed_s = self._tokens_s(sequences) + self._head_s(sequences)
        device_s = fixed_s + self._decode_attention_s(sequences, context)
        added = self.engine.step_s + self.engine.sequence_s * sequences
        return soft_maximum(device_s, np.full(steps, self._host_s)) + added

    def _token_operators(self, tokens: int) -> Iterator[Operator]:
        d = self.deployment
        device = d.device
        for matrix in self._matmuls:
            yield ops.matmul_operator(matrix, tokens, d.precision, device.multiprocessors, self._wave_loss)
        passes = self.engine.passes
        yield ops.elementwise_operator(d.shape, tokens, d.tensor_parallel, passes, device.cache_bytes)
        if d.tensor_parallel > 1:
            yield ops.all_reduce_operator(d.shape, tokens, d.precision, d.tensor_parallel)
        if d.pipeline_parallel > 1:
            yield ops.transfer_operator(d.shape, tokens, d.precision, d.pipeline_parallel)

    def _head_operators(self, sequences: int) -> Iterator[Operator]:
        d = self.deployment
        if d.head and sequences:
            yield ops.matmul_operator(
                self._head, sequences, d.precision, d.device.multiprocessors, self._wave_loss
            )

    def _tokens_s(self, tokens: int) -> float:
        if tokens not in self._by_tokens:
            self._by_tokens[tokens] = sum(
                operator_seconds(operator, self.rates) for operator in self._token_operators(tokens)
            )
        return self._by_tokens[tokens]

    def _head_s(self, sequences: int) -> float:
        if sequences not in self._by_sequences:
            self._by_sequences[sequences] = sum(
                operator_seconds(operator, self.rates) for operator in self._head_operators(sequences)
            )
        return self._by_sequences[sequences]

    def _prefill_attention_s(self, load: StepLoad) -> float:
        total = 0.0
        for layers, window in self._windows:
            pairs, context = ops.prefill_reach(load, window)
            memory_s = context * self._kv_s + load.prefill_tokens * self._query_s
            total += layers * (soft_maximum(memory_s, pairs * self._pair_s) + self.rates.kernel_s)
        return total

    def _decode_attention_s(self, sequences: int, context: Number) -> Number:
        total = context * 0.0
        for layers, window in self._windows:
            seen = ops.decode_context(sequences, context, window)
            memory_s = seen * self._kv_s + sequences * self._query_s
            total = total + layers * (soft_maximum(memory_s, seen * self._pair_s) + self.rates.kernel_s)
        return total
