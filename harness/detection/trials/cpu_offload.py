"""The last layers' weights in the host's memory, copied to the card in every pass.

accelerate keeps them in pageable memory and copies each matrix just before it is used, so nothing overlaps.
bitsandbytes leaves them in 16 bits (`capture/loading.py`): an NF4 layer frees its few bits and moves four
times as many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.costmodel.formats import WeightFormat, weight_format
from harness.costmodel.memory import weight_bytes
from harness.costmodel.precision import precision_of
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.detection.capture.loading import Loading, load, offload_map
from harness.detection.costs.memory import there
from harness.detection.costs.seconds import parts
from harness.detection.costs.structures import OURS, Batch, setting
from harness.detection.trials.card_scoring import OnCards, one_head_each, scores_of
from harness.detection.trials.passes import Ready
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row
from harness.measure.arms import Arm

OFFLOADED = 4
"""Layers of 32 that the guide puts on the CPU."""
HOST_LINK_BYTES_PER_S = {
    "Volta": 15.75e9,
    "Turing": 15.75e9,
    "Ampere": 31.5e9,
    "Ada Lovelace": 31.5e9,
    "Hopper": 63.0e9,
}
"""One direction of 16 lanes between host and card, by what the architecture speaks: PCIe 3.0, 4.0 and 5.0
(8, 16, 32 GT/s, 128b/130b)."""
PAGEABLE = 0.25
"""Share of it that a copy from pageable memory reaches at the least; assumed."""


def layer_bytes(shape: ModelShape, weights: WeightFormat, layers: int) -> int:
    """Bytes of so many layers: what the whole model has more than one without them."""
    fewer = replace(shape, layers=shape.layers - layers, dense_layers=shape.layers - layers)
    return weight_bytes(shape, weights)[0] - weight_bytes(fewer, weights)[0]


def moved_bytes(shape: ModelShape, layers: int) -> int:
    """Bytes that every pass copies: the layers in 16 bits."""
    return layer_bytes(shape, weight_format("fp16", shape), layers)


def on_card(row: Row, weights: str, batch: Batch, offloaded: int) -> dict[str, float]:
    """Llama-2-7B's samples per minute and the bytes that offloading frees, modelled.

    Offloaded layers are multiplied in 16 bits on the first card, after their copy: at the link's full rate
    for the most samples, at `PAGEABLE` of it for the least. Cards of one map work one after the other: two
    are as fast as one. HarnessError (exit 3) where the weights that stay do not fit.
    """
    at = setting(row, weights, OURS)
    share = offloaded / at.shape.layers
    freed = layer_bytes(at.shape, at.weights, offloaded)
    resident = (weight_bytes(at.shape, at.weights)[0] - freed) / row.gpus
    if resident > there(at):
        raise HarnessError(
            f"{at.shape.name} with {weights} weights has {resident / 1e9:.1f} GB on a card",
            where=row.name,
            allowed=f"{there(at) / 1e9:.1f} GB",
            exit_code=EXIT_INFEASIBLE,
        )
    plain = replace(at, weights=weight_format("fp16", at.shape))
    there_s, moved_s = (parts(it, batch, precision_of(it.weights), slow=False).total_s for it in (at, plain))
    copy_s = moved_bytes(at.shape, offloaded) / HOST_LINK_BYTES_PER_S[row.architecture]
    passes_s = (1.0 - share) * there_s + share * moved_s
    rate = 60.0 * len(batch.samples)
    return {
        "samples_per_min_least": rate / (passes_s + copy_s / PAGEABLE),
        "samples_per_min_most": rate / (passes_s + copy_s),
        "freed": float(freed),
    }


def offload_arm(folder: Callable[[], Path], row: Row, weights: str, batch: Batch, offloaded: int) -> Arm:
    """Scores random tokens of the batch's lengths with the last layers offloaded, the rest over the cards.

    The memory of a run is what the cards have less than the whole model's counted bytes.
    """

    def ready() -> tuple[Ready, int]:
        checkpoint = folder()
        shape = shape_from_file(checkpoint)
        spread = offload_map(shape.layers, row.gpus, offloaded)
        before = allocated()
        model = load(str(checkpoint), Loading("cuda:0", "float16", nf4=weights != "fp16", device_map=spread))
        whole = weight_bytes(shape, weight_format(weights, shape))[0]
        return one_head_each(model), whole - (allocated() - before)

    return Arm(lambda it: OnCards(scores_of(it[0], batch), it[1]), prepare=ready)


def allocated() -> int:
    """Bytes that torch has allocated on all cards."""
    import torch

    return sum(torch.cuda.memory_allocated(card) for card in range(torch.cuda.device_count()))
