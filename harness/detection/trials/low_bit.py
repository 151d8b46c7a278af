"""The embedded model's weights in few bits, and what the bits do to its scores.

Two kinds. `bitsandbytes` stores NF4 and 8-bit weights for real, on a CPU as well. Round-to-nearest weights of
8, 4, 3 and 2 bits are simulated: every weight of the layers is replaced by the nearest value that its group
has a code for, and products stay in float32. This shows what the bits do to scores, not to speed or memory.
GPTQ (`gptq.py`) chooses the codes by their effect on calibration data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from harness.costmodel.formats import GROUP, WeightFormat, weight_format
from harness.costmodel.memory import weight_bytes
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.data.shipped import MODEL
from harness.detection.detector.items import Items, response_items
from harness.detection.trials.detectors import Judgement, judged, sample_tokens
from harness.engines.transformers_loading import load_model
from harness.models.embedded import model_folder


@dataclass(frozen=True)
class Weighed:
    """The balanced sample scored by a model with such weights, and the detector judged on it."""

    items: Items
    judgement: Judgement
    weight_bytes: int


# --- weights in groups ---


def grouped(bits: int, shape: ModelShape) -> WeightFormat:
    """Matrices of the layers in `bits` bits, all else in 16 bits.

    Each group of `GROUP` inputs has a 16-bit scale and a zero point of `bits` bits (Frantar et al. 2022,
    GPTQ, section 5). For inputs in whole groups, which Llama-2-7B and the embedded models have.
    """
    mean = bits + (16 + bits) / GROUP
    return replace(weight_format("gptq_4bit", shape), name=f"gptq_{bits}bit", linear_bits=mean)


def rounded(weights: Any, bits: int, group: int = GROUP) -> Any:
    """The nearest values [outputs, inputs] that groups of `group` inputs have codes for, in float32.

    Asymmetric: 2^bits steps from the lowest to the highest weight of a group, zero among them; the scale in
    16 bits. Raises ValueError where inputs are no whole groups.
    """
    import torch

    outputs, inputs = weights.shape
    if inputs % group:
        raise ValueError(f"{inputs} inputs are no whole groups of {group}")
    last = 2**bits - 1
    parted = weights.float().view(outputs, inputs // group, group)
    low = parted.amin(dim=-1, keepdim=True).clamp_max(0.0)
    high = parted.amax(dim=-1, keepdim=True).clamp_min(0.0)
    scale = ((high - low) / last).clamp_min(torch.finfo(torch.float16).tiny).half().float()
    zero = (-low / scale).round().clamp_(0, last)
    codes = ((parted / scale).round() + zero).clamp_(0, last)
    return ((codes - zero) * scale).view(outputs, inputs)


def simulated(bits: int) -> Any:
    """The embedded model in float32, its layers' matrices rounded to `bits` bits."""
    import torch

    model = _plain("float32")
    with torch.inference_mode():
        for layer in anatomy_of(model).layers:
            for weights in layer.parameters():
                if weights.dim() == 2:
                    weights.copy_(rounded(weights, bits))
    return model


# --- the embedded model with its weights in each format ---


@dataclass(frozen=True, slots=True)
class Weights:
    """How to load the embedded model, and the format that its bytes are counted by."""

    load: Callable[[], Any]
    form: Callable[[ModelShape], WeightFormat]


def _plain(precision: Any) -> Any:
    return load_model(model_folder(MODEL), "cpu", precision, "none", "sdpa")


def _packed(quantization: Any) -> Any:
    return load_model(model_folder(MODEL), "cpu", "float32", quantization, "sdpa")


def _named(name: str) -> Callable[[ModelShape], WeightFormat]:
    return lambda shape: weight_format(name, shape)


WEIGHTS: Mapping[str, Weights] = {
    "float32": Weights(partial(_plain, "float32"), _named("fp32")),
    "float16": Weights(partial(_plain, "float16"), _named("fp16")),
    "bfloat16": Weights(partial(_plain, "bfloat16"), _named("bf16")),
    "int8": Weights(partial(_packed, "int8"), _named("int8")),
    "nf4": Weights(partial(_packed, "nf4"), _named("nf4")),
    **{f"{bits}-bit": Weights(partial(simulated, bits), partial(grouped, bits)) for bits in (8, 4, 3, 2)},
}
"""`int8` and `nf4` are bitsandbytes': NF4 is multiplied in float32 here, LLM.int8() casts its inputs to
float16. Those named by bits are simulated."""


@cache
def weighed(name: str) -> Weighed:
    """The balanced sample scored with these weights by all heads and layers; once in a process.

    The detector is fitted and judged on these scores, as whoever runs such weights would. Bytes are counted.
    """
    model, made = WEIGHTS[name].load(), sample_tokens()
    layers = range(len(anatomy_of(model).layers))
    heads = [(layer, head) for layer in layers for head in range(anatomy_of(model).heads)]
    items = response_items(made, score(model, made, heads, layers))
    shape = shape_from_file(model_folder(MODEL))
    return Weighed(items, judged(items), weight_bytes(shape, WEIGHTS[name].form(shape))[0])


def score_shift(before: Weighed, after: Weighed) -> list[float]:
    """How far each response's scores moved, mean over all of them, in standard deviations over responses."""
    first, second = (np.hstack([it.items.external, it.items.parametric]) for it in (before, after))
    moved = np.abs(second - first) / first.std(axis=0)
    return [float(value) for value in moved.mean(axis=1)]
