"""Which techniques of the guide exclude each other, and why: refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.errors import EXIT_INFEASIBLE, HarnessError


@dataclass(frozen=True, slots=True)
class Incompatible:
    """Two features that cannot be had at once, why, and what to do instead."""

    first: str
    second: str
    reason: str
    instead: str


TABLE = (
    Incompatible(
        "fused attention",
        "attention maps",
        "FlashAttention and SDPA never form the weights, so that output_attentions has none to return",
        "recompute the selected heads' rows (capture/fast.py), or load with eager attention",
    ),
    Incompatible(
        "vLLM",
        "hidden states",
        "vLLM returns tokens and log probabilities, neither attention nor the residual stream of each layer",
        "let vLLM generate the responses and score them with transformers",
    ),
    Incompatible(
        "bitsandbytes",
        "ONNX",
        "the exporter knows no operators for 4-bit and 8-bit layers of bitsandbytes",
        "export the float weights and quantize the ONNX graph",
    ),
    Incompatible(
        "bitsandbytes",
        "TensorRT",
        "the compiler knows no operators for 4-bit and 8-bit layers of bitsandbytes",
        "compile the float weights",
    ),
    Incompatible(
        "FlashAttention-2",
        "CPU",
        "its kernels are for CUDA cards of compute capability 8.0 and later",
        "sdpa, which runs everywhere",
    ),
    Incompatible(
        "NF4",
        "CPU",
        "offered on CUDA cards only; on a CPU the layers are unpacked for each product, which saves no time",
        "load in float32",
    ),
    Incompatible(
        "device map",
        "CPU",
        "with no card there is nothing to spread layers over",
        "leave the device map out",
    ),
)


def incompatible(features: Iterable[str]) -> Incompatible | None:
    """The first pair of the table that is among the features."""
    asked = set(features)
    return next((pair for pair in TABLE if {pair.first, pair.second} <= asked), None)


def require_compatible(features: Iterable[str]) -> None:
    """HarnessError, with exit code 3, where two of the features exclude each other."""
    pair = incompatible(features)
    if pair is not None:
        raise HarnessError(
            f"{pair.first} and {pair.second} do not go together: {pair.reason}",
            next_step=pair.instead,
            exit_code=EXIT_INFEASIBLE,
        )


def require_attention_maps(model: Any) -> None:
    """HarnessError unless the loaded model's attention gives its maps."""
    if model.config._attn_implementation != "eager":
        require_compatible(("fused attention", "attention maps"))
