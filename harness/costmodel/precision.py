"""Number formats as step time sees them: bits read, the type that is multiplied, how it is unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harness.costmodel.devices import Compute
from harness.costmodel.formats import WeightFormat
from harness.errors import HarnessError
from harness.hardware.schema import closest

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


_FORMATS = (
    Precision("fp32", 32.0, "fp32", head_bits=32.0, kv_bits=32.0, activation_bits=32.0),
    Precision("fp16", 16.0, "fp16"),
    Precision("bf16", 16.0, "bf16"),
    Precision("fp8", 8.0, "fp8"),
    Precision("int8", 8.0, "int8"),
    Precision("int4", 4.25, "fp16", "grouped"),
    Precision("int3", 3.25, "fp16", "grouped"),
    Precision("nf4", 4.5, "bf16", "separate"),
)
# Other spellings; groups of 128 add a 16-bit scale and a zero point to int4 and int3, blocks of 64 an fp32
# scale to nf4 (Dettmers et al. 2023, QLoRA, section 3).
_ALIASES = {
    "float32": "fp32",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "none": "bf16",
    "fp8_e4m3": "fp8",
    "float8": "fp8",
    "e4m3": "fp8",
    "w8a8": "int8",
    "8bit": "int8",
    "smoothquant": "int8",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
    "4bit": "int4",
    "marlin": "int4",
    "awq_4bit": "int4",
    "gptq_4bit": "int4",
    "gptq_3bit": "int3",
    "bnb_4bit": "nf4",
    "bitsandbytes": "nf4",
    "fp4": "nf4",
}
PRECISIONS: Mapping[str, Precision] = MappingProxyType({entry.name: entry for entry in _FORMATS})


def find_precision(name: str) -> Precision:
    """The format called `name` or one of its spellings (`awq`, `bfloat16`); HarnessError lists them all."""
    wanted = name.strip().lower().replace("-", "_")
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in PRECISIONS:
        return PRECISIONS[wanted]
    known = [*PRECISIONS, *_ALIASES]
    raise HarnessError(
        f"there is no precision {name!r}",
        allowed=", ".join(known),
        next_step=closest(wanted, known) or "take one of these",
    )


def precision_of(weights: WeightFormat, kv_bits: float = 16.0) -> Precision:
    """What step time needs of a model's weight format, with its true bits, and of its KV cache."""
    narrow = weights.linear_bits < 16.0 and weights.compute not in ("fp8", "int8")
    unpacking: Unpacking = "none"
    if narrow:
        unpacking = "separate" if weights.name.startswith("nf4") else "grouped"
    return Precision(
        name=weights.name,
        weight_bits=weights.linear_bits,
        compute=weights.compute,
        unpacking=unpacking,
        head_bits=weights.head_bits,
        kv_bits=kv_bits,
        activation_bits=32.0 if weights.compute == "fp32" else 16.0,
    )
