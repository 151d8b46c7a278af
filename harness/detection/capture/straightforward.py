"""The published structure: one sample at a time, everything kept, a Python loop over tokens and heads.

The baseline of every speed-up: eager attention with all maps, logits of every position before and after each
layer's feed-forward part, then a sort, a gather and a cosine for each token and head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import Anatomy, Head, anatomy_of, require_heads, require_length
from harness.detection.capture.compatibility import require_attention_maps
from harness.detection.sample import Sample, Scores
from harness.detection.scores.options import PAPER, Scoring


def score_straightforward(
    model: Any,
    samples: Sequence[Sample],
    heads: Sequence[Head],
    layers: Sequence[int],
    scoring: Scoring = PAPER,
) -> list[Scores]:
    """The scores that `fast.score` gives, as the published code goes about them.

    Raises HarnessError like `fast.score`, and for a model whose attention gives no maps.
    """
    anatomy = anatomy_of(model)
    require_attention_maps(model)
    require_heads(anatomy, heads, layers)
    require_length(anatomy, max((len(sample.tokens) for sample in samples), default=0))
    return [_score_one(anatomy, sample, heads, layers, scoring) for sample in samples]


def _score_one(
    anatomy: Anatomy, sample: Sample, heads: Sequence[Head], layers: Sequence[int], scoring: Scoring
) -> Scores:
    import torch

    with torch.inference_mode():
        outputs, lens = _forward(anatomy, sample)
        last_hidden = outputs.hidden_states[-1][0]
        start, end = scoring.positions(sample)
        k = scoring.taken(end - start)
        outside = np.empty((sample.response, len(heads)), dtype=np.float32)
        inside = np.empty((sample.response, len(layers)), dtype=np.float32)
        for i, position in enumerate(range(sample.prefix - 1, len(sample.tokens) - 1)):
            for column, (layer, head) in enumerate(heads):
                attention = outputs.attentions[layer][0, head, position, start:end]
                outside[i, column] = _external(attention, last_hidden, start, position, k)
            for column, layer in enumerate(layers):
                before, after = lens[layer]
                inside[i, column] = _divergence(before[0, position], after[0, position], scoring)
    return Scores(outside, inside)


def _forward(anatomy: Anatomy, sample: Sample) -> tuple[Any, list[tuple[Any, Any]]]:
    """The model's outputs with all maps and states, and each layer's logits before and after it, all kept."""
    import torch

    lens: list[tuple[Any, Any]] = []
    before: list[Any] = []

    def look(state: Any) -> Any:
        return anatomy.unembed(anatomy.norm(state))

    hooks = []
    for layer in anatomy.layers:
        hooks += [
            layer.post_attention_layernorm.register_forward_pre_hook(
                lambda _, given: before.append(look(given[0]))
            ),
            layer.register_forward_hook(lambda _, __, output: lens.append((before.pop(), look(output)))),
        ]
    try:
        device = anatomy.body.embed_tokens.weight.device
        outputs = anatomy.model(
            input_ids=torch.tensor([sample.tokens], device=device),
            output_attentions=True,
            output_hidden_states=True,
        )
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, lens


def _external(attention: Any, last_hidden: Any, start: int, position: int, k: int) -> float:
    from torch.nn.functional import cosine_similarity

    if not k:
        return math.nan
    indices = attention.sort(descending=True, stable=True).indices[:k]
    attended = last_hidden[start + indices].mean(dim=0)
    return float(cosine_similarity(attended, last_hidden[position], dim=0).item())


def _divergence(before: Any, after: Any, scoring: Scoring) -> float:
    from torch.nn.functional import kl_div, log_softmax, softmax

    p, q = softmax(before, dim=-1), softmax(after, dim=-1)
    log_p, log_q = log_softmax(before, dim=-1), log_softmax(after, dim=-1)
    middle = 0.5 * (p + q)
    if scoring.divergence == "jensen_shannon":
        log_middle = middle.log()
        halves = kl_div(log_middle, p, reduction="sum"), kl_div(log_middle, q, reduction="sum")
    else:
        halves = kl_div(log_p, middle, reduction="sum"), kl_div(log_q, middle, reduction="sum")
    return float((0.5 * (halves[0] + halves[1])).item())
