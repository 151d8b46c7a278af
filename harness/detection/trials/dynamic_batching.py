"""Which samples share a pass: one, as many as the guide's table says of their length, or a token budget."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import Anatomy, Head, anatomy_of, require_heads, require_length
from harness.detection.capture.batches import Plan, in_buckets, sorted_under
from harness.detection.capture.compatibility import require_attention_maps
from harness.detection.capture.fast import TOKEN_BUDGET, parametric, score
from harness.detection.capture.kernels import external_of_scores
from harness.detection.capture.layouts import Layout, padded
from harness.detection.sample import Sample, Scores
from harness.detection.scores.options import PAPER
from harness.detection.trials.passes import Pass

CARD_TOKEN_BUDGET = 8192
"""Assumed, not measured: several samples of any length that Llama-2 has."""
Planned = Callable[[Sequence[int]], Plan]


def one_by_one(lengths: Sequence[int]) -> Plan:
    """Every sample alone, in the order given."""
    return Plan(tuple((number,) for number in range(len(lengths))))


def by_table(lengths: Sequence[int]) -> Plan:
    """Technique 6 of the guide: 16, 8, 4, 2 or 1 by length, within its buckets of 1,000 tokens."""
    return in_buckets(lengths)


def by_budget(on_cpu: bool) -> Planned:
    """Ours: sorted, as many as fit with their padding into what keeps a CPU's cache or a card busy."""
    return partial(sorted_under, token_budget=TOKEN_BUDGET if on_cpu else CARD_TOKEN_BUDGET)


def fused(plan: Planned) -> Pass:
    """`fast.score` with these batches, each sample in a row of its own, padded on the right."""

    def batches(samples: Sequence[Sample], _: int) -> list[Layout]:
        found = plan([len(sample.tokens) - 1 for sample in samples])
        return [padded(samples, batch) for batch in found.batches]

    return partial(score, batches=batches)


def mapped(plan: Planned) -> Pass:
    """The guide's own way: `output_attentions=True` of a padded batch, scores from the maps.

    Padding is on the right and attention causal, so no sample sees it. Raises HarnessError like
    `score_vectorized`.
    """

    def run(model: Any, samples: Sequence[Sample], heads: Any, layers: Any) -> list[Scores]:
        anatomy = anatomy_of(model)
        require_attention_maps(model)
        require_heads(anatomy, heads, layers)
        require_length(anatomy, max((len(sample.tokens) - 1 for sample in samples), default=0))
        found: dict[int, Scores] = {}
        for batch in plan([len(sample.tokens) - 1 for sample in samples]).batches:
            found.update(_with_maps(anatomy, samples, padded(samples, batch), heads, layers))
        return [found[number] for number in range(len(samples))]

    return run


def between(seed: int, count: int, shortest: int, longest: int, vocabulary: int) -> list[Sample]:
    """Samples of random tokens, lengths spread evenly from `shortest` to `longest`, in a random order.

    A fifth of each is the response, as in RAGTruth; no two share their prompt.
    """
    r = random.Random(f"between {seed}")
    lengths = [round(shortest + (longest - shortest) * step / max(1, count - 1)) for step in range(count)]
    r.shuffle(lengths)
    found = []
    for number, length in enumerate(lengths):
        prefix = length - max(1, length // 5)
        tokens = tuple(r.randrange(vocabulary) for _ in range(length))
        labels = (False,) * (length - prefix)
        found.append(Sample(str(number), str(number), "QA", tokens, prefix, (0, prefix), labels))
    return found


def furthest_means(first: Sequence[Scores], second: Sequence[Scores]) -> float:
    """The largest difference of a response's mean score, by any head or layer: what a detector reads.

    Of single tokens' scores it would be the gap between two positions that rounding lets change places at the
    border of those taken, which says nothing of a technique.
    """
    return max(
        float(np.abs(getattr(a, name).mean(axis=0) - getattr(b, name).mean(axis=0)).max())
        for a, b in zip(first, second, strict=True)
        for name in ("external", "parametric")
    )


def _with_maps(
    anatomy: Anatomy, samples: Sequence[Sample], layout: Layout, heads: Sequence[Head], layers: Sequence[int]
) -> dict[int, Scores]:
    import torch

    before: list[Any] = []
    after: list[Any] = []
    hooks = []
    for layer in anatomy.layers:
        norm = layer.post_attention_layernorm
        hooks.append(norm.register_forward_pre_hook(lambda _, given: before.append(given[0])))
        hooks.append(layer.register_forward_hook(lambda _, __, output: after.append(output)))
    found = {}
    with torch.inference_mode():
        try:
            tokens = torch.from_numpy(layout.tokens).to(anatomy.body.embed_tokens.weight.device)
            output = anatomy.body(tokens, output_attentions=True, use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        for place in layout.places:
            start, end = PAPER.positions(samples[place.number])
            rows = torch.from_numpy(place.queries).to(tokens.device)
            states = output.last_hidden_state[place.row].float()
            maps = torch.stack([output.attentions[at][place.row, head, rows] for at, head in heads])
            attended, own = states[start:end], states[rows]
            outside = external_of_scores(maps[..., start:end], attended, own, PAPER.taken(end - start))
            inside = np.empty((len(rows), len(layers)), dtype=np.float32)
            for column, at in enumerate(layers):
                pair = (before[at][place.row, rows], after[at][place.row, rows])
                inside[:, column] = parametric(anatomy, *pair, PAPER)
            found[place.number] = Scores(outside.cpu().numpy(), inside)
    return found
