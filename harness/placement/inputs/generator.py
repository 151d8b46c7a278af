"""Seeded synthetic problems: pools of any size for scale, a family of small ones for quality.

Same arguments, same problem to the last bit: every draw is a uniform number or a choice from a
ladder of values, the two things random generators keep from version to version; figures that come
from arithmetic are rounded to three digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness.errors import HarnessError
from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.problem import Config, Floats, GpuSpec, GpuType, Problem
from harness.placement.rates import GPU_SPECS
from harness.placement.stages import stage_table

MODEL_GB = 140.0
FAMILY_LAYERS = (32, 40, 48, 60, 80)

# GB/s inside a type and between two.
_INSIDE, _BETWEEN = (32.0, 64.0, 300.0, 600.0, 900.0), (12.5, 25.0, 50.0)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Card:
    memory_gb: tuple[float, ...]
    usd_per_hour: float


# Memory sizes as sold; prices invented, in the order of what clouds ask.
_CARDS: dict[str, _Card] = {
    "H100": _Card((80.0,), 2.5),
    "A100": _Card((40.0, 80.0), 1.4),
    "L40S": _Card((48.0,), 0.9),
    "A40": _Card((48.0,), 0.5),
    "L40": _Card((48.0,), 0.8),
    "V100": _Card((16.0, 32.0), 0.35),
    "RTX4090": _Card((24.0,), 0.4),
    "L20": _Card((48.0,), 0.6),
    "A10": _Card((24.0,), 0.4),
    "T4": _Card((16.0,), 0.2),
}
_NAMES = tuple(_CARDS)


def synthetic_pool(
    seed: int,
    types: int,
    gpus_per_type: tuple[int, int] = (4, 24),
    layers: int = 80,
    *,
    max_pipeline_stages: int = 8,
) -> Problem:
    """A pool of `types` made-up GPU types, G00, G01, ..., for a 140 GB model of `layers` layers.

    Each type varies a real card: its speed, bandwidth, efficiency and memory, at a price that follows
    speed with noise, in a number from `gpus_per_type` (both ends included). Links are symmetric, per type.
    Stages have 5 layers or more, of fewer layers all. Whether the model fits is left open. HarnessError for
    bad arguments.
    """
    fewest, most = gpus_per_type
    for what, value, low, high in (
        ("seed", seed, 0, None),
        ("types", types, 1, None),
        ("fewest GPUs per type", fewest, 1, most),
        ("layers", layers, 1, None),
        ("max_pipeline_stages", max_pipeline_stages, 1, None),
    ):
        if value < low or (high is not None and value > high):
            allowed = f"at least {low}" if high is None else f"{low} to {high}"
            raise HarnessError(f"{what} is {value}", where="synthetic pool", allowed=allowed)
    random = np.random.default_rng([seed, types, layers])
    width = max(2, len(str(types - 1)))
    pool = tuple(_made_up_type(random, f"G{index:0{width}}", fewest, most) for index in range(types))
    return Problem(_config(layers, max_pipeline_stages), pool, _links(random, types, _INSIDE, _BETWEEN))


def pool_family(count: int = 100, seed: int = 0) -> tuple[Problem, ...]:
    """`count` pools that can hold a 140 GB model of 32 to 80 layers, the first ones the same for any count.

    2 to 5 of the documented cards, 4 to 24 GPUs each, at half to twice their price; links that do not bind.
    """
    family: list[Problem] = []
    draw = 0
    while len(family) < count:
        problem = _family_member(np.random.default_rng([seed, draw]))
        draw += 1
        if cheapest_choice(stage_table(problem), 0.0) is not None:
            family.append(problem)
    return tuple(family)


def _family_member(random: np.random.Generator) -> Problem:
    layers = _pick(random, FAMILY_LAYERS)
    types = _whole(random, 2, 5)
    names = [_NAMES[index] for index in np.argsort(random.random(len(_NAMES)), kind="stable")[:types]]
    pool = tuple(
        GpuType(
            name,
            _whole(random, 4, 24),
            _pick(random, _CARDS[name].memory_gb),
            _rounded(_CARDS[name].usd_per_hour * _factor(random, 2.0)),
        )
        for name in names
    )
    return Problem(_config(layers, 8), pool, _links(random, types, (600.0,), (600.0,)))


def _made_up_type(random: np.random.Generator, name: str, fewest: int, most: int) -> GpuType:
    card = _pick(random, _NAMES)
    base, speed = GPU_SPECS[card], _factor(random, 1.5)
    spec = GpuSpec(
        tflops=_rounded(base.tflops * speed),
        memory_gb_per_s=_rounded(base.memory_gb_per_s * _factor(random, 1.3)),
        efficiency=_rounded(0.35 + 0.3 * random.random()),
    )
    memory = _pick(random, _CARDS[card].memory_gb) * _pick(random, (1, 1, 2))
    price = _CARDS[card].usd_per_hour * speed * _factor(random, 1.5)
    return GpuType(name, _whole(random, fewest, most), float(memory), _rounded(price), spec)


def _config(layers: int, max_pipeline_stages: int) -> Config:
    return Config(
        model_name=f"synthetic-{layers}-layers",
        sequence_length=4096,
        batch_size=32,
        num_decoder_layers=layers,
        d_model=8192,
        layer_weight_memory_gb=MODEL_GB / layers,
        bytes_per_element=2,
        d_hidden=28672,
        vocab_size=32000,
        num_attention_heads=64,
        num_key_value_heads=8,
        max_pipeline_stages=max_pipeline_stages,
        min_layers_per_stage=min(5, layers),
    )


def _links(
    random: np.random.Generator, types: int, inside: Sequence[float], between: Sequence[float]
) -> Floats:
    """Symmetric GB/s per type, read-only: the ladder `inside` on the diagonal, `between` elsewhere."""
    steps = np.triu((random.random((types, types)) * len(between)).astype(np.intp), 1)
    matrix: Floats = np.array(between, dtype=np.float64)[steps + steps.T]
    own = (random.random(types) * len(inside)).astype(np.intp)
    np.fill_diagonal(matrix, np.array(inside, dtype=np.float64)[own])
    matrix.flags.writeable = False
    return matrix


def _factor(random: np.random.Generator, most: float) -> float:
    """From 1 / `most` to `most`, as often above 1 as below."""
    return float(most ** (2 * random.random() - 1))


def _whole(random: np.random.Generator, low: int, high: int) -> int:
    return low + int(random.random() * (high - low + 1))


def _pick(random: np.random.Generator, options: Sequence[_T]) -> _T:
    return options[int(random.random() * len(options))]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
