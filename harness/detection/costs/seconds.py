"""Seconds of a scoring pass on one row's GPUs, as an interval: what the cost model cannot know widens it.

The forward pass and the lens' products are `harness.costmodel`'s operators, everything else that is computed
is counted by `capture.floor`. Nothing was fitted to a scoring pass. The interval's ends differ in:

* the cost model's own error, its 90th percentile on GPUs like this one (`GpuConstants.error`);
* what an operation costs the host: 4 us (`kernel_s`), or the launching time of a layer over its operations;
* 8-bit weights: int8 products (W8A8), or 16-bit ones behind an unpacking kernel. bitsandbytes does a mixture
  of both (Dettmers et al. 2022, LLM.int8()), for which there are no data.

Eager fp16 kernels were measured nowhere here, on a T4 least of all: their traffic is counted, their rate is
that of other kernels. Not modelled: reading samples, tokenizing, the chunk variant's sentence encoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.costmodel import operators as ops
from harness.costmodel.constants import load_constants
from harness.costmodel.devices import device_from_row
from harness.costmodel.load import prefill_load
from harness.costmodel.operators import Operator
from harness.costmodel.precision import Precision, precision_of
from harness.costmodel.steptime import (
    EAGER_ENGINE,
    Deployment,
    RooflineStepTime,
    operator_seconds,
    soft_maximum,
)
from harness.detection.capture.fast import LENS_ROWS
from harness.detection.capture.kernels import SELECTION_ELEMENTS
from harness.detection.costs.counting import work
from harness.detection.costs.memory import HOST_THREADS
from harness.detection.costs.structures import Batch, Setting

LAYER_OPERATIONS = 38
"""Kernels of a Llama layer in transformers with fused attention, counted by torch's dispatcher in float32."""
LOOK_OPERATIONS = 7
"""Of the final norm and the output matrix (`straightforward`)."""
LOOP_EXTERNAL_OPERATIONS = 16
"""Of one token and head in `straightforward._external`: sort, gather, mean, cosine, and reading it."""
LOOP_DIVERGENCE_OPERATIONS = 18
"""Of one token and layer in `straightforward._divergence`."""
BLOCK_DIVERGENCE_OPERATIONS = 37
"""Of one block of rows and layer in `fast.parametric`."""
BLOCK_EXTERNAL_OPERATIONS = 20
"""Of one block of rows in `kernels.external`, selection on a card included, products of heads apart."""

EAGER_TRAFFIC = (("scale", 4), ("mask", 4), ("softmax", 6), ("conversion", 6))
"""Bytes read and written for each weight of an eager map: 16 bits each way, the softmax writes float32.
One read by the softmax, which rows that fit on chip take."""
PRODUCT_TRAFFIC = 2
"""Bytes for each score that a product writes, and for each weight that the other one reads."""
LOOP_LOGIT_BYTES = 132
"""Per pair of logits in `straightforward._divergence`: four softmaxes (8 each), the mixture and its logarithm
(28), two divergences (36 each)."""
BLOCK_LOGIT_BYTES = 112
"""Per pair of logits in `kernels.divergence_of_logits`: 38 on each side (conversion, highest, subtraction,
softmax, mean), 36 for both (sum, floor, logarithm, dot product)."""
SELECTION_TRAFFIC = 51
"""Per score that the highest are taken of (`kernels._taken_on_card`); assumed of a sort, too."""


@dataclass(frozen=True, slots=True)
class Between:
    """An interval of a modelled figure."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds on the GPU by part, and of the host that starts its kernels; `loops_s` is host and GPU in turn,
    since every turn of the loops waits for its result.
    """

    forward_s: float
    lens_s: float
    scores_s: float
    host_s: float
    loops_s: float
    fixed_s: float

    @property
    def total_s(self) -> float:
        """Host and GPU overlap except in the loops."""
        overlapping = soft_maximum(self.forward_s + self.lens_s + self.scores_s, self.host_s)
        return overlapping + self.loops_s + self.fixed_s


def seconds(setting: Setting, batch: Batch) -> Between:
    """How long one pass over `batch` takes. HarnessError for several stages on a row without links."""
    found = [parts(setting, batch, precision, slow=slow) for precision, slow in _ends(setting)]
    error = step_time(setting, precision_of(setting.weights)).gpu.error[1]
    totals = [each.total_s for each in found]
    return Between(min(totals) * (1.0 - error), max(totals) * (1.0 + error))


def parts(setting: Setting, batch: Batch, precision: Precision, *, slow: bool) -> Parts:
    """One end of the interval, the cost model's own error apart."""
    step = step_time(setting, precision)
    structure, shape = setting.structure, setting.shape
    load = prefill_load(batch.longest, len(batch.samples))
    forward = [one for one in step.operators(load) if one.kind != "attention" or not structure.keeps_maps]
    if structure.keeps_maps:
        forward += _eager(setting, batch)
    counted = work(setting, batch)
    entries = counted.logarithms  # one for each pair of logits of the response rows
    scores = _scores(setting, batch, counted.external_flop, entries)
    launch_s = step.gpu.launch_s / LAYER_OPERATIONS if slow else step.rates.kernel_s
    launched = _operations(setting, batch) * launch_s
    scores_s = _total(scores, step)
    return Parts(
        forward_s=_total(forward, step),
        lens_s=_total(lens_products(setting, batch, precision), step),
        scores_s=0.0 if structure.loops else scores_s,
        host_s=shape.layers * step.gpu.launch_s + (0.0 if structure.loops else launched),
        loops_s=scores_s + launched if structure.loops else 0.0,
        fixed_s=step.engine.prefill_s,
    )


def lens_products(setting: Setting, batch: Batch, precision: Precision) -> list[Operator]:
    """The products with the output matrix, before and after each layer: of all positions, or in blocks of
    `LENS_ROWS` response rows and one of what is left.
    """
    shape = setting.shape
    head, multiprocessors = ops.head_matmul(shape, 1), device_from_row(setting.row).multiprocessors
    if setting.structure.looks_everywhere:
        sizes = [(2 * shape.layers, batch.tokens)]
    else:
        full, left = divmod(batch.responses, LENS_ROWS)
        sizes = [(shape.layers * full, 2 * LENS_ROWS), (shape.layers, 2 * left)]
    wave_loss = load_constants().shared.wave_loss
    return [
        replace(ops.matmul_operator(head, rows, precision, multiprocessors, wave_loss), repeats=repeats)
        for repeats, rows in sizes
        if repeats and rows
    ]


def _ends(setting: Setting) -> tuple[tuple[Precision, bool], ...]:
    precision = precision_of(setting.weights)
    unpacked = replace(precision, compute="fp16", unpacking="separate")
    return ((precision, False), (unpacked if setting.weights.name == "int8" else precision, True))


def step_time(setting: Setting, precision: Precision) -> RooflineStepTime:
    """The cost model's step time under an engine that launches every kernel, as transformers does."""
    deployment = Deployment(setting.shape, precision, device_from_row(setting.row), 1, setting.stages)
    return RooflineStepTime(deployment, engine=EAGER_ENGINE)


def _eager(setting: Setting, batch: Batch) -> list[Operator]:
    """Attention as transformers writes it out: each step a kernel over all B H T^2 scores, none left out for
    causality. 2 d_h FLOPs a score in each product.
    """
    shape = setting.shape
    pairs = float(shape.heads * len(batch.samples) * batch.longest**2)
    states = 2.0 * batch.tokens * shape.heads * shape.head_width * 2  # two operands of 16 bits
    product_flops = 2.0 * shape.head_width * pairs

    def product(name: str) -> Operator:
        moved = PRODUCT_TRAFFIC * pairs + states
        return Operator(name, "attention", shape.layers, product_flops, product_flops, moved)

    passes = [
        Operator(name, "elementwise", shape.layers, 0.0, 0.0, traffic * pairs)
        for name, traffic in EAGER_TRAFFIC
    ]
    return [product("eager scores"), *passes, product("eager values")]


def _scores(setting: Setting, batch: Batch, external_flop: int, entries: int) -> list[Operator]:
    """What follows the products: divergences of logits, and the selected heads' scores."""
    looping = setting.structure.loops
    ranked = sum(prompt * response for prompt, response in batch.samples) * len(setting.heads)
    logits = (LOOP_LOGIT_BYTES if looping else BLOCK_LOGIT_BYTES) * float(entries)
    products = 2.0 * setting.shape.head_width * ranked
    # what else is counted are additions of taken states, each read in float32
    gathered = 4.0 * (external_flop - products)
    recomputed = 0.0 if setting.structure.keeps_maps else products
    return [
        Operator("divergences", "elementwise", 1, 0.0, 0.0, logits),
        Operator("ranking", "elementwise", 1, 0.0, 0.0, SELECTION_TRAFFIC * float(ranked)),
        Operator("rows", "attention", 1, recomputed, recomputed, 0.0),
        Operator("attended states", "elementwise", 1, 0.0, 0.0, gathered),
    ]


def _operations(setting: Setting, batch: Batch) -> int:
    """Kernels that the host starts beside those of the forward pass."""
    layers, heads = setting.shape.layers, len(setting.heads)
    if setting.structure.loops:
        each = heads * LOOP_EXTERNAL_OPERATIONS + layers * LOOP_DIVERGENCE_OPERATIONS
        return batch.responses * each + 2 * layers * LOOK_OPERATIONS
    ranked = sum(prompt * response for prompt, response in batch.samples) * heads
    blocks = len(batch.samples) + ranked // (HOST_THREADS * SELECTION_ELEMENTS)
    divergences = layers * math.ceil(batch.responses / LENS_ROWS) * BLOCK_DIVERGENCE_OPERATIONS
    return divergences + blocks * (BLOCK_EXTERNAL_OPERATIONS + heads)


def _total(operators: Iterable[Operator], step: RooflineStepTime) -> float:
    return sum(operator_seconds(operator, step.rates) for operator in operators)
