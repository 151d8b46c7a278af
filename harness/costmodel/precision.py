"""Number formats as step time sees them: bits read, the type that is multiplied, how it is unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.costmodel.devices import Compute
from harness.costmodel.formats import WeightFormat, weight_format
from harness.costmodel.shapes import ModelShape

Unpacking = Literal["none", "grouped", "separate"]


@dataclass(frozen=True, slots=True)
class Precision:
    """How weights are stored and multiplied.

    `unpacking`: `none` when the stored type is multiplied as it is; `grouped` when the product's own kernel
    turns few bits into 16 (AWQ, GPTQ, GGUF); `separate` when a kernel of its own writes 16-bit weights first
    (bitsandbytes, except for a single row). `head_bits` are those of LM head and routers.
    """

    name: str
    weight_bits: float
    compute: Compute
    unpacking: Unpacking = "none"
    head_bits: float = 16.0
    kv_bits: float = 16.0
    activation_bits: float = 16.0

    @property
    def activation_bytes(self) -> float:
        """Bytes of one activation."""
        return self.activation_bits / 8.0


def find_precision(name: str, shape: ModelShape) -> Precision:
    """The weight format called `name`, as it is for this model; HarnessError lists the formats."""
    return precision_of(weight_format(name, shape))


def precision_of(weights: WeightFormat, kv_bits: float = 16.0) -> Precision:
    """What step time needs of a model's weight format, with its true bits, and of its KV cache."""
    return Precision(
        name=weights.name,
        weight_bits=weights.linear_bits,
        compute=weights.compute,
        unpacking=_unpacking(weights),
        head_bits=weights.head_bits,
        kv_bits=kv_bits,
        activation_bits=32.0 if weights.compute == "fp32" else 16.0,
    )


def _unpacking(weights: WeightFormat) -> Unpacking:
    if weights.linear_bits >= 16.0 or weights.name.startswith(("fp8", "int8")):
        return "none"
    return "separate" if weights.name.startswith("nf4") else "grouped"
