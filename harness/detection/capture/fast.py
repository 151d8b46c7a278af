"""Both scores of many samples, at about the cost of the model's forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import Anatomy, Head, anatomy_of, require_heads, require_length
from harness.detection.capture.kernels import divergence_of_logits, external
from harness.detection.capture.layouts import Layout, Place, shared_batches
from harness.detection.capture.recording import Kept, forward
from harness.detection.sample import Sample, Scores
from harness.detection.scores.options import PAPER, Scoring
from harness.errors import HarnessError

TOKEN_BUDGET = 768
"""Tokens of a batch on a CPU: activations stay in its cache, calls are few."""
LENS_ROWS = 64
"""Positions whose logits are in memory at once, each before and after the layer."""

Batches = Callable[[Sequence[Sample], int], list[Layout]]


def score(
    model: Any,
    samples: Sequence[Sample],
    heads: Sequence[Head],
    layers: Sequence[int],
    scoring: Scoring = PAPER,
    *,
    token_budget: int = TOKEN_BUDGET,
    batches: Batches = shared_batches,
) -> list[Scores]:
    """The scores of each sample, in the order given, for these heads and layers in the order given.

    Teacher-forced: nothing is generated. Memory is that of one batch: activations, the selected heads' keys,
    2 x LENS_ROWS rows of logits; nothing of heads x T x T. A sample's scores do not depend on the others, but
    for rounding in the last digits. Raises HarnessError for an architecture, head, layer or length that the
    model does not have, and for a sliding window shorter than a sample.
    """
    anatomy = anatomy_of(model)
    require_heads(anatomy, heads, layers)
    require_length(anatomy, max((len(sample.tokens) - 1 for sample in samples), default=0))
    found: dict[int, Scores] = {}
    for layout in batches(samples, token_budget):
        found.update(_score_batch(anatomy, samples, layout, heads, layers, scoring))
    return [found[number] for number in range(len(samples))]


def _score_batch(
    anatomy: Anatomy,
    samples: Sequence[Sample],
    layout: Layout,
    heads: Sequence[Head],
    layers: Sequence[int],
    scoring: Scoring,
) -> dict[int, Scores]:
    import torch

    wanted = set(layers)
    by_layer: dict[int, Any] = {}

    def lens(layer: int, before: Any, after: Any) -> None:
        if layer in wanted:
            by_layer[layer] = parametric(anatomy, before, after, scoring)

    kept, states = forward(anatomy, layout, heads, lens if layers else None)
    found, first = {}, 0
    with torch.inference_mode():
        if not torch.isfinite(states).all():
            raise HarnessError(
                f"the model's states are not finite for some of the samples {_named(samples, layout)}",
                next_step="its weights may be damaged, or too large for half precision: load in another one",
            )
        for place in layout.places:
            last = first + len(place.queries)
            outside = _external(
                kept, states, samples[place.number], place, slice(first, last), heads, scoring
            )
            inside = np.empty((last - first, len(layers)), dtype=np.float32)
            for column, layer in enumerate(layers):
                inside[:, column] = by_layer[layer][first:last]
            found[place.number] = Scores(outside, inside)
            first = last
    return found


def _named(samples: Sequence[Sample], layout: Layout) -> str:
    return ", ".join(repr(samples[place.number].id) for place in layout.places[:5])


def parametric(anatomy: Anatomy, before: Any, after: Any, scoring: Scoring) -> Any:
    """Parametric knowledge scores [rows] of one layer's residual states [rows, hidden], before and after its
    feed-forward part. Logits of LENS_ROWS rows at a time.
    """
    import torch

    found = []
    for start in range(0, len(before), LENS_ROWS):
        block = slice(start, start + LENS_ROWS)
        states = anatomy.norm(torch.cat([before[block], after[block]]))
        logits = anatomy.unembed(states.to(anatomy.model.dtype))
        count = len(logits) // 2
        found.append(divergence_of_logits(logits[:count], logits[count:], scoring.divergence))
    return torch.cat(found).cpu().numpy()


def _external(
    kept: Kept,
    states: Any,
    sample: Sample,
    place: Place,
    part: slice,
    heads: Sequence[Head],
    scoring: Scoring,
) -> Any:
    import torch

    if not heads:
        return np.empty((len(place.queries), 0), dtype=np.float32)
    start, end = scoring.positions(sample)
    device = states.device
    attended = slice(place.start + start, place.start + end)
    groups: list[tuple[Any, Any]] = []
    order: dict[Head, int] = {}
    for layer, chosen in kept.heads.items():
        queries, keys = kept.queries[layer], kept.keys[layer]
        for number, key_head in enumerate(kept.key_heads(layer)):
            of_key = [at for at, head in enumerate(chosen) if head // kept.group == key_head]
            own_keys = keys[place.row, number, attended].float().to(device)
            groups.append((queries[of_key[0] : of_key[-1] + 1, part].to(device), own_keys))
        order.update({(layer, head): len(order) + number for number, head in enumerate(chosen)})
    hidden = states[place.row].float()
    scores = external(
        groups,
        hidden[attended],
        hidden[torch.from_numpy(place.queries).to(device)],
        scoring.taken(end - start),
    )
    return scores[:, [order[layer, head] for layer, head in heads]].cpu().numpy()
