"""How fast scoring could be on this machine: counted operations over rates measured in the same run.

A lower bound: only matrix products, attention, exponentials and logarithms count, each at the highest rate
that this machine reached. Norms, position embedding, activations, selection and Python are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.detection.capture.anatomy import Anatomy, Head, anatomy_of
from harness.detection.capture.layouts import same_prompt
from harness.detection.sample import Sample
from harness.detection.scores.options import PAPER, Scoring

REPEATS = 30


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of scoring samples: floating-point operations by part (a multiplication and an addition are
    two), exponentials and logarithms one by one.
    """

    linear_flop: int
    attention_flop: int
    lens_flop: int
    external_flop: int
    exponentials: int
    logarithms: int

    @property
    def flop(self) -> int:
        """All floating-point operations."""
        return self.linear_flop + self.attention_flop + self.lens_flop + self.external_flop


@dataclass(frozen=True, slots=True)
class Rates:
    """The best this machine did: products in FLOP/s, and seconds for one exponential and one logarithm."""

    flop_per_s: float
    exponential_s: float
    logarithm_s: float
    threads: int


def work_of(
    model: Any,
    samples: Sequence[Sample],
    heads: Sequence[Head],
    layers: Sequence[int],
    scoring: Scoring = PAPER,
    *,
    shared: bool = True,
) -> Work:
    """What scoring these samples needs, padding aside; with `shared`, equal prompts are read once.

    Forward: 2 FLOP for each weight of the layers and token, and 4 x head width for each head and pair of a
    query and a key it sees. Lens: two products with the output matrix for each response token and layer, two
    exponentials and one logarithm for each logit pair. External: the selected heads' scores, and one addition
    for each number of a taken state.
    """
    anatomy = anatomy_of(model)
    width = anatomy.layers[0].self_attn.head_dim
    groups = same_prompt(samples) if shared else [[number] for number in range(len(samples))]
    tokens = pairs = 0
    for group in groups:
        prefix = samples[group[0]].prefix
        tokens += prefix
        pairs += prefix * (prefix + 1) // 2
        for number in group:
            rest = samples[number].response - 1
            tokens += rest
            pairs += rest * prefix + rest * (rest + 1) // 2
    rows = sum(sample.response for sample in samples) * len(set(layers))
    external = 0
    for sample in samples:
        start, end = scoring.positions(sample)
        each = 2 * (end - start) * width + scoring.taken(end - start) * anatomy.hidden
        external += sample.response * len(set(heads)) * each
    return Work(
        linear_flop=2 * linear_weights(anatomy) * tokens,
        attention_flop=4 * anatomy.heads * width * len(anatomy.layers) * pairs,
        lens_flop=4 * rows * anatomy.hidden * anatomy.vocabulary,
        external_flop=external,
        exponentials=2 * rows * anatomy.vocabulary,
        logarithms=rows * anatomy.vocabulary,
    )


def linear_weights(anatomy: Anatomy) -> int:
    """Weights of the matrices that every token goes through: those of the layers."""
    return sum(
        weight.numel() for layer in anatomy.layers for weight in layer.parameters() if weight.dim() == 2
    )


def measured_rates(model: Any, *, tokens: int = 768, repeats: int = REPEATS) -> Rates:
    """The best of `repeats` on this machine, with the threads that torch has now.

    Products have the shapes of the model's own matrices for so many tokens, and a square one; exponentials
    and logarithms run on a block that fits into a cache, an exponential also as part of a softmax, which
    some builds compute faster.
    """
    import torch

    config = model.config
    hidden, inner, vocabulary = config.hidden_size, config.intermediate_size, config.vocab_size
    shapes = {(tokens, hidden, inner), (tokens, inner, hidden), (128, hidden, vocabulary), (1024, 1024, 1024)}
    generator = torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> Any:
        return torch.randn(rows, columns, generator=generator).to(model.device)

    with torch.inference_mode():
        products = []
        for rows, inside, columns in sorted(shapes):
            left, right = drawn(rows, inside), drawn(columns, inside)
            product = partial(torch.nn.functional.linear, left, right)
            seconds = _best(product, repeats, model.device)
            products.append(2 * rows * inside * columns / seconds)
        block = drawn(64, 1024)
        positive = block.abs() + 0.1
        one = min(
            _best(lambda: block.exp(), repeats, model.device),
            _best(lambda: block.softmax(dim=-1), repeats, model.device),
        )
        logarithm = _best(lambda: positive.log(), repeats, model.device)
    return Rates(max(products), one / block.numel(), logarithm / block.numel(), torch.get_num_threads())


def floor_s(work: Work, rates: Rates) -> float:
    """Seconds below which this work cannot be done at these rates."""
    return (
        work.flop / rates.flop_per_s
        + work.exponentials * rates.exponential_s
        + work.logarithms * rates.logarithm_s
    )


def _best(run: Callable[[], Any], repeats: int, device: Any) -> float:
    import torch

    found = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - started)
    return min(found[1:])
